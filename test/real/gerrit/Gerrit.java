/**
 * Runs a program of Gerrit's own (Init, Daemon) from the published jars: Gerrit.java PROGRAM ARGS…
 * It ends when its stdin does: who started it holds the other end, so that it cannot outlive a killed test.
 */
public class Gerrit {
  public static void main(String[] args) throws Exception {
    var watchdog = new Thread(() -> {
      try {
        while (System.in.read() != -1) {}
      } catch (java.io.IOException e) {
        // Gone is gone.
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
