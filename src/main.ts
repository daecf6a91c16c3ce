import { enableCompileCache } from 'node:module';

// A restart is what people wait for: the second start of a program finds it read and stripped of its types.
enableCompileCache();
const { run } = await import('./cli/cli.ts');
process.exitCode = await run(process.argv.slice(2));
