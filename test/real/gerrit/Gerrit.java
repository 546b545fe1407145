/**
 * Runs one of Gerrit's programs (Init, Daemon) from the published jars: Gerrit.java PROGRAM ARGS…
 * It exits when its stdin is closed, so that it cannot outlive a killed test, which holds the other end.
 */
public class Gerrit {
  public static void main(String[] args) throws Exception {
    var watchdog = new Thread(() -> {
      try {
        while (System.in.read() != -1) {}
      } catch (java.io.IOException e) {
        // Treated like the end of stdin.
      }
      Runtime.getRuntime().halt(1);
    });
    watchdog.setDaemon(true);
    watchdog.start();
    var program = (com.google.gerrit.pgm.util.AbstractProgram)
        Class.forName("com.google.gerrit.pgm." + args[0]).getDeclaredConstructor().newInstance();
    System.exit(program.main(java.util.Arrays.copyOfRange(args, 1, args.length)));
  }
}
