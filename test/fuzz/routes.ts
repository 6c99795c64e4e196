import type { FastifyInstance } from 'fastify';

/** The paths of all routes, such as `/tools/:name`, as fastify itself knows them. */
export function routesOf(app: FastifyInstance): string[] {
  const above: string[] = [];
  const routes: string[] = [];
  for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
    const branch = /^([│ ]*)[├└]── (.*?)(?: \(([A-Z, ]+)\))?$/.exec(line);
    if (!branch) continue;
    const [, indent = '', part = '', methods] = branch;
    const depth = indent.length / 4;
    above.splice(depth, above.length, part);
    if (methods) routes.push(above.join(''));
  }
  return routes;
}
