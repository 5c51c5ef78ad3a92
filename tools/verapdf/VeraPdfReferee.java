import java.io.FileInputStream;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;

/** veraPDF as referee: whether a file is the PDF/A that it says it is, and which clauses of ISO 19005 it breaks. */
final class VeraPdfReferee {
  public static void main(String[] arguments) throws Exception {
    VeraGreenfieldFoundryProvider.initialise();
    Lines.serve(VeraPdfReferee::judge);
  }

  private static Object judge(Lines.Request request) throws Exception {
    try (InputStream file = new FileInputStream(request.one("file"));
        PDFAParser parser = Foundries.defaultInstance().createParser(file)) {
      PDFAFlavour flavour = parser.getFlavour();
      if (flavour == PDFAFlavour.NO_FLAVOUR) {
        return Map.of("flavour", "", "compliant", false, "broken", List.of());
      }
      try (PDFAValidator validator = Foundries.defaultInstance().createValidator(flavour, false)) {
        ValidationResult result = validator.validate(parser);
        TreeSet<String> broken = new TreeSet<>();
        for (TestAssertion each : result.getTestAssertions()) {
          broken.add(each.getRuleId().getClause() + "-" + each.getRuleId().getTestNumber() + ": " + each.getMessage());
        }
        List<String> shown = new ArrayList<>(broken);
        return Map.of("flavour", flavour.getId(), "compliant", result.isCompliant(), "broken", shown);
      }
    }
  }
}
