import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.Security;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.pdfbox.cos.COSDictionary;
import org.apache.pdfbox.pdmodel.PDDocument;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.PDSignature;
import org.apache.pdfbox.pdmodel.interactive.form.PDAcroForm;
import org.apache.pdfbox.pdmodel.interactive.form.PDField;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.tsp.TimeStampToken;

/** Bouncy Castle and PDFBox, as Debian has them, as referees: signature values, digests, stamps, chains without lists. */
final class PdfBoxReferee {
  public static void main(String[] arguments) throws Exception {
    Security.insertProviderAt(new BouncyCastleProvider(), 1);
    Lines.serve(request -> switch (request.one("do")) {
      case "pdf" -> pdf(request);
      case "fill" -> fill(request);
      case "cms" -> Map.of("signatures", cms(
          Files.readAllBytes(Path.of(request.one("file"))),
          request.one("content", null) == null ? null : Files.readAllBytes(Path.of(request.one("content"))),
          request));
      default -> throw new IllegalArgumentException(request.one("do"));
    });
  }

  private static Object pdf(Lines.Request request) throws Exception {
    byte[] file = Files.readAllBytes(Path.of(request.one("file")));
    List<Object> found = new ArrayList<>();
    int pages;
    try (PDDocument document = PDDocument.load(new File(request.one("file")))) {
      pages = document.getNumberOfPages();
      for (PDSignature each : document.getSignatureDictionaries()) {
        byte[] content = each.getSignedContent(file);
        byte[] der = each.getContents(file);
        boolean stamp = "ETSI.RFC3161".equals(each.getSubFilter());
        for (Map<String, Object> answer :
            stamp ? List.of(stamp(der, content, request)) : cms(der, content, request)) {
          int[] range = each.getByteRange();
          answer.put("sub_filter", each.getSubFilter());
          answer.put("whole", range[0] == 0 && range[2] + range[3] == file.length);
          found.add(answer);
        }
      }
    }
    return Map.of("signatures", found, "pages", pages);
  }

  /** Fills one field of a form in an incremental update, the form and its resources among what is written. */
  private static Object fill(Lines.Request request) throws Exception {
    try (PDDocument document = PDDocument.load(new File(request.one("file")));
        OutputStream out = Files.newOutputStream(Path.of(request.one("out")))) {
      PDAcroForm form = document.getDocumentCatalog().getAcroForm();
      PDField field = form.getField(request.one("field"));
      Set<COSDictionary> written = new HashSet<>(Set.of(form.getCOSObject(), field.getCOSObject()));
      field.setValue(request.one("value"));
      document.saveIncremental(out, written);
      return Map.of("field", field.getFullyQualifiedName());
    }
  }

  private static List<Map<String, Object>> cms(byte[] der, byte[] content, Lines.Request request) throws Exception {
    // A PDF pads what it keeps; the structure says where it ends.
    ContentInfo info = ContentInfo.getInstance(new org.bouncycastle.asn1.ASN1InputStream(der).readObject());
    CMSSignedData data =
        content == null ? new CMSSignedData(info) : new CMSSignedData(new CMSProcessableByteArray(content), info);
    List<Map<String, Object>> found = new ArrayList<>();
    for (SignerInformation signer : data.getSignerInfos().getSigners()) {
      Map<String, Object> answer = new LinkedHashMap<>();
      Collection<X509CertificateHolder> certificates = data.getCertificates().getMatches(signer.getSID());
      X509CertificateHolder certificate = certificates.iterator().next();
      answer.put("signer", certificate.getSubject().toString());
      answer.put("intact", verified(signer, certificate));
      answer.put("trusted", trusted(certificate, data.getCertificates().getMatches(null), request, null));
      answer.put("stamps", stamps(signer, request));
      found.add(answer);
    }
    return found;
  }

  private static boolean verified(SignerInformation signer, X509CertificateHolder certificate) throws Exception {
    try {
      return signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(certificate));
    } catch (org.bouncycastle.cms.CMSException error) {
      System.err.println(error);
      return false;
    }
  }

  private static List<Object> stamps(SignerInformation signer, Lines.Request request) throws Exception {
    List<Object> found = new ArrayList<>();
    if (signer.getUnsignedAttributes() == null) {
      return found;
    }
    var attributes = signer.getUnsignedAttributes().getAll(PKCSObjectIdentifiers.id_aa_signatureTimeStampToken);
    for (int each = 0; each < attributes.size(); each++) {
      for (ASN1Encodable value : ((Attribute) attributes.get(each)).getAttributeValues()) {
        found.add(stamp(value.toASN1Primitive().getEncoded(), signer.getSignature(), request));
      }
    }
    return found;
  }

  private static Map<String, Object> stamp(byte[] der, byte[] content, Lines.Request request) throws Exception {
    TimeStampToken token =
        new TimeStampToken(ContentInfo.getInstance(new org.bouncycastle.asn1.ASN1InputStream(der).readObject()));
    X509CertificateHolder certificate =
        (X509CertificateHolder) token.getCertificates().getMatches(token.getSID()).iterator().next();
    String algorithm = token.getTimeStampInfo().getMessageImprintAlgOID().getId();
    byte[] digest = MessageDigest.getInstance(algorithm, "BC").digest(content);
    boolean intact = MessageDigest.isEqual(digest, token.getTimeStampInfo().getMessageImprintDigest());
    try {
      token.validate(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(certificate));
    } catch (org.bouncycastle.tsp.TSPException error) {
      System.err.println(error);
      intact = false;
    }
    Date time = token.getTimeStampInfo().getGenTime();
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("signer", certificate.getSubject().toString());
    answer.put("intact", intact);
    answer.put("trusted", trusted(certificate, token.getCertificates().getMatches(null), request, time));
    answer.put("time", time.toInstant().toString());
    return answer;
  }

  private static boolean trusted(
      X509CertificateHolder certificate, Collection<X509CertificateHolder> others, Lines.Request request, Date time)
      throws Exception {
    CertificateFactory factory = CertificateFactory.getInstance("X.509", "BC");
    Set<TrustAnchor> anchors = new HashSet<>();
    for (String path : request.all("trust")) {
      byte[] der = Files.readAllBytes(Path.of(path));
      anchors.add(new TrustAnchor((X509Certificate) factory.generateCertificate(new ByteArrayInputStream(der)), null));
    }
    JcaX509CertificateConverter converter = new JcaX509CertificateConverter().setProvider("BC");
    List<X509Certificate> known = new ArrayList<>();
    for (X509CertificateHolder each : others) {
      known.add(converter.getCertificate(each));
    }
    X509CertSelector target = new X509CertSelector();
    target.setCertificate(converter.getCertificate(certificate));
    PKIXBuilderParameters parameters = new PKIXBuilderParameters(anchors, target);
    parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(known)));
    parameters.setRevocationEnabled(false);
    parameters.setDate(time != null ? time : Date.from(Instant.parse(request.one("at"))));
    try {
      CertPathBuilder.getInstance("PKIX", "BC").build(parameters);
      return true;
    } catch (java.security.cert.CertPathBuilderException error) {
      System.err.println(error);
      return false;
    }
  }
}
