// Calls every function that the module exports; a promise that is rejected is a test that failed.
import { createRequire } from "node:module";
import { resolve } from "node:path";

const tests = createRequire(import.meta.url)(resolve(process.argv[2]));
let passed = 0;
let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  // What wasm-bindgen exports of its own begins with underscores.
  if (typeof test !== "function" || name.startsWith("__")) continue;
  const start = performance.now();
  // A panic leaves its promise open for ever.
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer within 10 seconds")), 10_000);
  });
  try {
    await Promise.race([test(), late]);
    passed += 1;
    console.log(`ok: ${name}, ${(performance.now() - start).toFixed(1)} ms`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED: ${name}: ${error?.message ?? error}`);
  }
  clearTimeout(timer);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
