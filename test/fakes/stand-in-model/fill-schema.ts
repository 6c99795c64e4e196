type Schema = Readonly<Record<string, unknown>>;

/** The smallest value that a JSON Schema allows, for schemas as they are used for structured output. */
export function fillSchema(schema: unknown, root: unknown = schema): unknown {
  if (!isSchema(schema)) return null;
  const { $ref: reference, const: constant, enum: choices } = schema;
  if (typeof reference === 'string') return fillSchema(resolve(reference, root), root);
  if (constant !== undefined) return constant;
  if (Array.isArray(choices)) return choices[0];
  for (const alternatives of [schema.anyOf, schema.oneOf, schema.allOf]) {
    if (Array.isArray(alternatives)) return fillSchema(alternatives[0], root);
  }
  return fillType(schema, root);
}

function fillType(schema: Schema, root: unknown): unknown {
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case 'object':
      return fillObject(schema, root);
    case 'array':
      return Array.from({ length: numberOr(schema.minItems, 0) }, () =>
        fillSchema(schema.items, root),
      );
    case 'string':
      return 'text'.padEnd(numberOr(schema.minLength, 0), '.');
    case 'integer':
    case 'number':
      return numberOr(schema.minimum, numberOr(schema.exclusiveMinimum, -1) + 1);
    case 'boolean':
      return false;
    default:
      return null;
  }
}

function fillObject(schema: Schema, root: unknown): Record<string, unknown> {
  const properties = isSchema(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required : [];
  const entries = Object.entries(properties).filter(([name]) => required.includes(name));
  return Object.fromEntries(entries.map(([name, value]) => [name, fillSchema(value, root)]));
}

function resolve(reference: string, root: unknown): unknown {
  const names = reference.replace(/^#\/?/, '').split('/').filter(Boolean);
  return names.reduce<unknown>((at, name) => (isSchema(at) ? at[name] : undefined), root);
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null;
}
