import type { Reporter, TestModule } from "vitest/node";

/**
 * Closes a run with the plain line `N passed, N failed[, N skipped]` that CI reads. Before it, one
 * line for each test that failed first and passed when it was tried again.
 */
export default class PlainReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    let passed = 0;
    let failed = unhandled.length;
    let skipped = 0;
    for (const module of modules) {
      // A file that cannot be loaded has no tests, and must not look like success.
      failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed++;
        else if (state === "failed") failed++;
        else skipped++;
        if (test.diagnostic()?.flaky) console.log(`passed at the second try: ${test.fullName}`);
      }
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
    }
    const rest = skipped > 0 ? `, ${skipped} skipped` : "";
    console.log(`\n${passed} passed, ${failed} failed${rest}`);
  }
}
