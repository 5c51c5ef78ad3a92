import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Requests on standard input, answers on standard output, one line each. A request is NAME=VALUE between tabs, a name
 * may come again; an answer is a JSON object. While it works, a referee may ask for a time stamp: it writes an object with
 * "stamp" and reads the token, in hexadecimal, from the next line.
 */
final class Lines {
  /** Answers one request. */
  interface Referee {
    Object answer(Request request) throws Exception;
  }

  /** One request: its values by name. */
  static final class Request {
    private final Map<String, List<String>> values = new LinkedHashMap<>();

    Request(String line) {
      for (String part : line.split("\t")) {
        int at = part.indexOf('=');
        values.computeIfAbsent(part.substring(0, at), name -> new ArrayList<>()).add(part.substring(at + 1));
      }
    }

    List<String> all(String name) {
      return values.getOrDefault(name, List.of());
    }

    String one(String name) {
      return all(name).get(0);
    }

    String one(String name, String otherwise) {
      return values.containsKey(name) ? one(name) : otherwise;
    }
  }

  private static final BufferedReader IN =
      new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  private Lines() {}

  static void serve(Referee referee) throws IOException {
    // Whatever a library prints is no answer.
    System.setOut(System.err);
    for (String line = IN.readLine(); line != null; line = IN.readLine()) {
      Object answer;
      try {
        answer = referee.answer(new Request(line));
      } catch (Exception | LinkageError | StackOverflowError error) {
        answer = Map.of("error", error.getClass().getSimpleName() + ": " + error.getMessage());
      }
      OUT.println(json(answer));
    }
  }

  static byte[] stamp(String algorithm, byte[] digest) {
    OUT.println(json(Map.of("stamp", algorithm, "digest", HexFormat.of().formatHex(digest))));
    try {
      return HexFormat.of().parseHex(IN.readLine());
    } catch (IOException error) {
      throw new IllegalStateException(error);
    }
  }

  static String json(Object value) {
    if (value == null || value instanceof Boolean || value instanceof Number) {
      return String.valueOf(value);
    }
    if (value instanceof Map<?, ?> map) {
      List<String> parts = new ArrayList<>();
      map.forEach((name, each) -> parts.add(json(String.valueOf(name)) + ":" + json(each)));
      return "{" + String.join(",", parts) + "}";
    }
    if (value instanceof Collection<?> list) {
      return "[" + String.join(",", list.stream().map(Lines::json).toList()) + "]";
    }
    StringBuilder text = new StringBuilder("\"");
    for (char each : value.toString().toCharArray()) {
      boolean plain = each >= ' ' && each != '"' && each != '\\';
      text.append(plain ? String.valueOf(each) : String.format("\\u%04x", (int) each));
    }
    return text.append('"').toString();
  }
}
