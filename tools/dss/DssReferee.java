import eu.europa.esig.dss.asic.cades.ASiCWithCAdESSignatureParameters;
import eu.europa.esig.dss.asic.cades.signature.ASiCWithCAdESService;
import eu.europa.esig.dss.cades.CAdESSignatureParameters;
import eu.europa.esig.dss.cades.signature.CAdESService;
import eu.europa.esig.dss.diagnostic.DiagnosticData;
import eu.europa.esig.dss.diagnostic.PDFRevisionWrapper;
import eu.europa.esig.dss.diagnostic.SignatureWrapper;
import eu.europa.esig.dss.diagnostic.TimestampWrapper;
import eu.europa.esig.dss.enumerations.ASiCContainerType;
import eu.europa.esig.dss.enumerations.CertificationPermission;
import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.enumerations.SignaturePackaging;
import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.model.TimestampBinary;
import eu.europa.esig.dss.model.ToBeSigned;
import eu.europa.esig.dss.model.policy.ValidationPolicy;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.pades.PAdESSignatureParameters;
import eu.europa.esig.dss.pades.SignatureFieldParameters;
import eu.europa.esig.dss.pades.SignatureImageParameters;
import eu.europa.esig.dss.pades.SignatureImageTextParameters;
import eu.europa.esig.dss.pades.signature.PAdESService;
import eu.europa.esig.dss.policy.EtsiValidationPolicyFactory;
import eu.europa.esig.dss.signature.AbstractSignatureParameters;
import eu.europa.esig.dss.signature.DocumentSignatureService;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonCertificateSource;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.spi.x509.revocation.ocsp.ExternalResourcesOCSPSource;
import eu.europa.esig.dss.spi.x509.tsp.TSPSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.reports.Reports;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The EU's Digital Signature Service as a referee: validates, signs and extends. It asks nobody over a network. */
final class DssReferee {
  public static void main(String[] arguments) throws Exception {
    Lines.serve(request -> switch (request.one("do")) {
      case "validate" -> validate(request);
      case "sign" -> sign(request);
      case "extend" -> extend(request);
      default -> throw new IllegalArgumentException(request.one("do"));
    });
  }

  private static Object validate(Lines.Request request) throws Exception {
    SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(document(request.one("file")));
    validator.setCertificateVerifier(verifier(request));
    validator.setEnableEtsiValidationReport(request.one("etsi", null) != null);
    if (!request.all("content").isEmpty()) {
      validator.setDetachedContents(request.all("content").stream().map(DssReferee::document).toList());
    }
    if (request.one("at", null) != null) {
      validator.setValidationTime(Date.from(Instant.parse(request.one("at"))));
    }
    Reports reports = validator.validateDocument(policy(request));
    if (request.one("etsi", null) != null) {
      Files.writeString(Path.of(request.one("etsi")), reports.getXmlValidationReport());
    }
    SimpleReport simple = reports.getSimpleReport();
    DiagnosticData data = reports.getDiagnosticData();
    List<Object> signatures = new ArrayList<>();
    for (String id : simple.getSignatureIdList()) {
      signatures.add(signature(id, simple, data.getSignatureById(id)));
    }
    List<Object> stamps = new ArrayList<>();
    for (String id : simple.getTimestampIdList()) {
      stamps.add(timestamp(id, simple, data.getTimestampById(id)));
    }
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("signatures", signatures);
    answer.put("timestamps", stamps);
    return answer;
  }

  private static Object signature(String id, SimpleReport simple, SignatureWrapper found) {
    Map<String, Object> answer = judged(id, simple);
    answer.put("level", String.valueOf(simple.getSignatureFormat(id)));
    answer.put("signer", simple.getSignedBy(id));
    answer.put("best_time", instant(simple.getBestSignatureTime(id)));
    answer.put("claimed_time", instant(simple.getSigningTime(id)));
    answer.put("filename", found.getFilename());
    answer.put("digest", String.valueOf(found.getDigestAlgorithm()));
    List<Object> stamps = new ArrayList<>();
    for (TimestampWrapper each : found.getTimestampList()) {
      stamps.add(timestamp(each.getId(), simple, each));
    }
    answer.put("timestamps", stamps);
    answer.put("modifications", modifications(found.getPDFRevision()));
    return answer;
  }

  private static Object timestamp(String id, SimpleReport simple, TimestampWrapper found) {
    Map<String, Object> answer = judged(id, simple);
    answer.put("kind", String.valueOf(found.getType()));
    answer.put("time", instant(found.getProductionTime()));
    answer.put("covered", found.getTimestampedSignatures().stream().map(each -> each.getId()).toList());
    return answer;
  }

  private static Map<String, Object> judged(String id, SimpleReport simple) {
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("indication", String.valueOf(simple.getIndication(id)));
    Object sub = simple.getSubIndication(id);
    answer.put("sub_indication", sub == null ? null : sub.toString());
    answer.put("errors", simple.getAdESValidationErrors(id).stream().map(Message::getValue).toList());
    answer.put("warnings", simple.getAdESValidationWarnings(id).stream().map(Message::getValue).toList());
    return answer;
  }

  private static List<String> modifications(PDFRevisionWrapper revision) {
    List<String> answer = new ArrayList<>();
    if (revision == null) {
      return answer;
    }
    revision.getPdfExtensionChanges().forEach(each -> answer.add("extension " + each.getValue()));
    revision.getPdfSignatureOrFormFillChanges().forEach(each -> answer.add("form " + each.getValue()));
    revision.getPdfAnnotationChanges().forEach(each -> answer.add("annotation " + each.getValue()));
    revision.getPdfUndefinedChanges().forEach(each -> answer.add("undefined " + each.getValue()));
    revision.getPdfPageDifferenceConcernedPages().forEach(each -> answer.add("page-count " + each));
    revision.getPdfVisualDifferenceConcernedPages().forEach(each -> answer.add("visual " + each));
    revision.getPdfAnnotationsOverlapConcernedPages().forEach(each -> answer.add("overlap " + each));
    if (!revision.isSignatureByteRangeValid()) {
      answer.add("byte-range");
    }
    return answer;
  }

  private static Object sign(Lines.Request request) throws Exception {
    DSSDocument document = document(request.one("file"));
    return switch (request.one("kind")) {
      case "pades" -> {
        PAdESSignatureParameters parameters = new PAdESSignatureParameters();
        if (request.one("certify", null) != null) {
          parameters.setPermission(CertificationPermission.fromCode(Integer.parseInt(request.one("certify"))));
        }
        if (request.one("seen", null) != null) {
          parameters.setImageParameters(look(request.one("seen"), request.one("field", null)));
        }
        yield signWith(new PAdESService(verifier(request)), parameters, document, request);
      }
      case "cades" -> {
        CAdESSignatureParameters parameters = new CAdESSignatureParameters();
        parameters.setSignaturePackaging(SignaturePackaging.valueOf(request.one("packaging")));
        yield signWith(new CAdESService(verifier(request)), parameters, document, request);
      }
      case "asice" -> {
        ASiCWithCAdESSignatureParameters parameters = new ASiCWithCAdESSignatureParameters();
        parameters.aSiC().setContainerType(ASiCContainerType.ASiC_E);
        yield signWith(new ASiCWithCAdESService(verifier(request)), parameters, document, request);
      }
      default -> throw new IllegalArgumentException(request.one("kind"));
    };
  }

  /** A text, in the field of that name or in a new one in the lower left of the first page. */
  private static SignatureImageParameters look(String text, String field) {
    SignatureImageParameters look = new SignatureImageParameters();
    SignatureImageTextParameters shown = new SignatureImageTextParameters();
    shown.setText(text);
    look.setTextParameters(shown);
    SignatureFieldParameters place = look.getFieldParameters();
    if (field != null) {
      place.setFieldId(field);
      return look;
    }
    place.setOriginX(50);
    place.setOriginY(50);
    place.setWidth(150);
    place.setHeight(40);
    return look;
  }

  private static <P extends AbstractSignatureParameters<?>> Object signWith(
      DocumentSignatureService<P, ?> service, P parameters, DSSDocument document, Lines.Request request)
      throws Exception {
    char[] password = request.one("password").toCharArray();
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream stream = new FileInputStream(request.one("key"))) {
      store.load(stream, password);
    }
    String alias = store.aliases().nextElement();
    List<CertificateToken> chain = new ArrayList<>();
    for (Certificate each : store.getCertificateChain(alias)) {
      chain.add(new CertificateToken((X509Certificate) each));
    }
    parameters.setSigningCertificate(chain.get(0));
    parameters.setCertificateChain(chain);
    parameters.setDigestAlgorithm(DigestAlgorithm.valueOf(request.one("digest", "SHA256")));
    parameters.setSignatureLevel(SignatureLevel.valueByName(request.one("level")));
    if (request.one("at", null) != null) {
      parameters.bLevel().setSigningDate(Date.from(Instant.parse(request.one("at"))));
    }
    service.setTspSource(new Stamps());
    ToBeSigned toBeSigned = service.getDataToSign(document, parameters);
    SignatureAlgorithm algorithm = parameters.getSignatureAlgorithm();
    Signature signature = Signature.getInstance(algorithm.getJCEId());
    signature.initSign((PrivateKey) store.getKey(alias, password));
    signature.update(toBeSigned.getBytes());
    service
        .signDocument(document, parameters, new SignatureValue(algorithm, signature.sign()))
        .save(request.one("out"));
    return Map.of("level", request.one("level"));
  }

  private static Object extend(Lines.Request request) throws Exception {
    DSSDocument document = document(request.one("file"));
    return switch (request.one("kind")) {
      case "pades" ->
          extendWith(new PAdESService(verifier(request)), new PAdESSignatureParameters(), document, request);
      case "cades" ->
          extendWith(new CAdESService(verifier(request)), new CAdESSignatureParameters(), document, request);
      case "asice" ->
          extendWith(
              new ASiCWithCAdESService(verifier(request)), new ASiCWithCAdESSignatureParameters(), document, request);
      default -> throw new IllegalArgumentException(request.one("kind"));
    };
  }

  private static <P extends AbstractSignatureParameters<?>> Object extendWith(
      DocumentSignatureService<P, ?> service, P parameters, DSSDocument document, Lines.Request request)
      throws Exception {
    parameters.setSignatureLevel(SignatureLevel.valueByName(request.one("level")));
    if (!request.all("content").isEmpty()) {
      parameters.setDetachedContents(request.all("content").stream().map(DssReferee::document).toList());
    }
    service.setTspSource(new Stamps());
    service.extendDocument(document, parameters).save(request.one("out"));
    return Map.of("level", request.one("level"));
  }

  private static CommonCertificateVerifier verifier(Lines.Request request) throws Exception {
    CommonCertificateVerifier verifier = new CommonCertificateVerifier();
    verifier.setAIASource(null);
    CommonTrustedCertificateSource trusted = new CommonTrustedCertificateSource();
    for (String path : request.all("trust")) {
      trusted.addCertificate(DSSUtils.loadCertificate(new File(path)));
    }
    verifier.setTrustedCertSources(trusted);
    CommonCertificateSource others = new CommonCertificateSource();
    for (String path : request.all("certificate")) {
      others.addCertificate(DSSUtils.loadCertificate(new File(path)));
    }
    verifier.setAdjunctCertSources(others);
    verifier.setCrlSource(new ExternalResourcesCRLSource(streams(request.all("crl"))));
    verifier.setOcspSource(new ExternalResourcesOCSPSource(streams(request.all("ocsp"))));
    return verifier;
  }

  private static InputStream[] streams(List<String> paths) throws Exception {
    List<InputStream> found = new ArrayList<>();
    for (String path : paths) {
      found.add(new ByteArrayInputStream(Files.readAllBytes(Path.of(path))));
    }
    return found.toArray(new InputStream[0]);
  }

  /** The library's own default; with "eddsa" it also takes the algorithm that it leaves out as a comment. */
  private static ValidationPolicy policy(Lines.Request request) throws Exception {
    EtsiValidationPolicyFactory factory = new EtsiValidationPolicyFactory();
    if (!request.one("policy", "default").equals("eddsa")) {
      return factory.loadDefaultValidationPolicy();
    }
    try (InputStream stream = DssReferee.class.getResourceAsStream("/policy/constraint.xml")) {
      String text = new String(stream.readAllBytes(), StandardCharsets.UTF_8);
      text = text.replaceFirst("<!--\\s*(<Algo>EdDSA</Algo>)[^>]*-->", "$1");
      text = text.replaceFirst("<!--\\s*(<Algo Size=\"24\">EdDSA</Algo>)[^>]*-->", "$1");
      return factory.loadValidationPolicy(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
    }
  }

  private static DSSDocument document(String path) {
    return new FileDocument(path);
  }

  private static String instant(Date date) {
    return date == null ? null : date.toInstant().toString();
  }

  /** Time stamps of whoever asked. */
  private static final class Stamps implements TSPSource {
    private static final long serialVersionUID = 1L;

    @Override
    public TimestampBinary getTimeStampResponse(DigestAlgorithm algorithm, byte[] digest) {
      return new TimestampBinary(Lines.stamp(algorithm.getJavaName(), digest));
    }
  }
}
