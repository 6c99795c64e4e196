// Runs in the container: moves what was built in the staging directory to its place in the workspace.
// `place.cjs ORDER` begins; `place.cjs` goes on with the order that an earlier run left, if any.
//
// An order is JSON: {staging, workspace, parts, replace, git, note}. The files are in STAGING/tree. It is
// written to STAGING/order.json before anything is moved, so that it is carried out once begun,
// whoever dies meanwhile. What was in the way goes to STAGING/old. The staging is removed at last.
// A note {file, id} has the id written into the file before that, for whoever asks whether it was done.
//
// Links are never followed: others of the agent may put one in the way at any time, and not everywhere
// does a container hold them. So directories are held open, and names looked up in them alone.
const fs = require('node:fs');
const path = require('node:path');

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants;
const CONFLICT = 65;
const hasProc = fs.existsSync('/proc/self/fd');

function open(name) {
  const fd = fs.openSync(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const here = hasProc ? `/proc/self/fd/${fd}` : name;
  return { at: (child) => `${here}/${child}`, here, close: () => fs.closeSync(fd) };
}

function kindOf(name) {
  const stat = fs.lstatSync(name, { throwIfNoEntry: false });
  if (!stat) return 'nothing';
  return stat.isDirectory() ? 'directory' : 'file';
}

function conflict(where) {
  process.stderr.write(`conflict ${JSON.stringify(where)}\n`);
  process.exit(CONFLICT);
}

/** The directory of the workspace that an order names, which is made; links in its path are in the way. */
function target({ workspace, parts }) {
  let here = open(workspace);
  parts.forEach((part, index) => {
    const name = here.at(part);
    if (kindOf(name) === 'nothing') fs.mkdirSync(name);
    if (kindOf(name) !== 'directory') conflict(parts.slice(0, index + 1).join('/'));
    const next = open(name);
    here.close();
    here = next;
  });
  return here;
}

function move(from, to) {
  try {
    fs.renameSync(from, to);
  } catch (error) {
    if (error.code === 'ENOENT' && kindOf(from) === 'nothing') return;
    if (error.code !== 'EACCES') throw error;
    // A directory that may not be written cannot change its parent.
    fs.chmodSync(from, 0o755);
    fs.renameSync(from, to);
  }
}

/** Directories that are on both sides are gone into; `act` gets whatever else is on the left. */
function walk(left, right, where, act) {
  for (const name of fs.readdirSync(left.here)) {
    const [mine, theirs] = [kindOf(left.at(name)), kindOf(right.at(name))];
    const place = where === '' ? name : `${where}/${name}`;
    if (mine !== 'directory' || theirs !== 'directory') {
      act({ left: left.at(name), right: right.at(name), mine, theirs, place });
      continue;
    }
    const below = [open(left.at(name)), open(right.at(name))];
    walk(...below, place, act);
    for (const each of below) each.close();
  }
}

function assertNoConflict(tree, right) {
  walk(tree, right, '', ({ mine, theirs, place }) => {
    if (theirs !== 'nothing' && mine !== theirs) conflict(place);
  });
}

function emptyInto(old, right, { parts, staging, git }) {
  for (const name of fs.readdirSync(right.here)) {
    const isStaging = parts.length === 0 && name === path.basename(staging);
    if (!isStaging && (git || name !== '.git')) move(right.at(name), `${old}/${name}`);
  }
}

function write(file, order) {
  fs.writeFileSync(`${file}.new`, JSON.stringify(order));
  fs.renameSync(`${file}.new`, file);
}

function remove(directory) {
  try {
    fs.rmSync(directory, { recursive: true, force: true });
  } catch {
    require('node:child_process').spawnSync('chmod', ['-R', 'u+rwX', directory]);
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function carryOut(order, file) {
  const { staging, replace } = order;
  const tree = open(`${staging}/tree`);
  const right = target(order);
  if (!order.begun && !replace) assertNoConflict(tree, right);
  write(file, { ...order, begun: true });
  if (replace && !order.emptied) {
    fs.mkdirSync(`${staging}/old`, { recursive: true });
    emptyInto(`${staging}/old`, right, order);
    write(file, { ...order, begun: true, emptied: true });
  }
  walk(tree, right, '', ({ left, right: to }) => move(left, to));
  if (order.note) {
    // Never through what is there: it could be a link.
    fs.rmSync(order.note.file, { recursive: true, force: true });
    fs.writeFileSync(order.note.file, order.note.id, { flag: 'wx' });
  }
  remove(staging);
}

// biome-ignore lint/style/noProcessEnv: a program of its own, with this one setting.
const file = `${process.env.STAGING}/order.json`;
const given = process.argv.at(-1);
if (given?.startsWith('{')) carryOut(JSON.parse(given), file);
else carryOut(JSON.parse(fs.readFileSync(file, 'utf8')), file);
