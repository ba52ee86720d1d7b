// What the tests in this folder count and say.
let passed = 0, failed = 0;

// Does it come to its end? What failed is told.
export const holds = async (name, run) => {
  try {
    await run();
    passed++;
    return true;
  } catch (error) {
    failed++;
    console.log("FAIL  " + name + ": " + error.stack);
    return false;
  }
};

export const finish = () => {
  console.log(`${passed} passed, ${failed} failed, 0 skipped`);
  process.exit(failed === 0 ? 0 : 1);
};
