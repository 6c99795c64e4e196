/** What the scripted engineer writes, in the format of Codex's apply_patch. */

export const TESTS = `*** Begin Patch
*** Add File: slugify.test.js
+import assert from 'node:assert/strict';
+import { test } from 'node:test';
+import { slugify } from './slugify.js';
+
+test('words are joined with hyphens', () => {
+  assert.equal(slugify('Hello brave new World'), 'hello-brave-new-world');
+});
+
+test('accents are taken off', () => {
+  assert.equal(slugify('Crème brûlée'), 'creme-brulee');
+});
+
+test('nothing is left of punctuation at the ends', () => {
+  assert.equal(slugify('  ¿Ready, steady… go!  '), 'ready-steady-go');
+});
+
+test('empty text stays empty', () => {
+  assert.equal(slugify(''), '');
+});
*** Add File: package.json
+{
+  "type": "module"
+}
*** End Patch
`;

/** Leaves a hyphen where text begins or ends with punctuation, which one test finds. */
export const FIRST_TRY = `*** Begin Patch
*** Add File: slugify.js
+/** Turns a title into the part of an address: "Crème brûlée!" becomes "creme-brulee". */
+export function slugify(text) {
+  return text
+    .normalize('NFKD')
+    .replace(/\\p{Mark}/gu, '')
+    .toLowerCase()
+    .replace(/[^a-z0-9]+/g, '-');
+}
*** End Patch
`;

export const MENDED = `*** Begin Patch
*** Update File: slugify.js
@@
-    .replace(/[^a-z0-9]+/g, '-');
+    .replace(/[^a-z0-9]+/g, '-')
+    .replace(/^-|-$/g, '');
 }
*** End Patch
`;
