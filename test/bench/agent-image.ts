import type Docker from 'dockerode';
import type { Product } from './product.ts';

/** Has the product make its image, and an agent of it, so that nothing of that is timed; answers its name. */
export async function agentImage(product: Product, docker: Docker): Promise<string> {
  const plan = await product.connect();
  await plan('first');
  const [container] = await product.containers(docker);
  if (!container) throw new Error('The product runs no container.');
  return container.image;
}
