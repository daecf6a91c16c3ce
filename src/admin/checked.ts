import type { z } from 'zod';
import { Failure } from '../base/failure.ts';

/** What a request says, in the shape that it should have. Throws Failure `bad-request`. */
export function checked<Shape extends z.ZodType>(shape: Shape, value: unknown): z.output<Shape> {
  const result = shape.safeParse(value ?? {});
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new Failure('bad-request', `${issue.path.join('.')}: ${issue.message}`);
}
