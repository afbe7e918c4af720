// face-api.js (the maintained fork @vladmandic/face-api) in Node on its WebAssembly backend: the JavaScript twin of
// child.py, which tells the protocol. Started with the folder that holds node_modules, and the settings as JSON.
// TinyFaceDetector with its defaults, then the expression net: what its webcam examples do.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");

const [folder, settingsText] = process.argv.slice(2);
const settings = JSON.parse(settingsText);
const load = createRequire(path.join(folder, "package.json"));
const modules = path.join(folder, "node_modules");
let faceapi = null;

async function start() {
  // Its own messages would stand between the answers.
  console.log = console.info = console.warn = (...parts) => console.error(...parts);
  const tf = load("@tensorflow/tfjs");
  const wasm = load("@tensorflow/tfjs-backend-wasm");
  if (settings.threads === "one") wasm.setThreadsCount(1);
  wasm.setWasmPaths(path.join(modules, "@tensorflow/tfjs-backend-wasm/dist/"));
  await tf.setBackend("wasm");
  await tf.ready();
  const found = load("@vladmandic/face-api/dist/face-api.node-wasm.js");
  const weights = path.join(modules, "@vladmandic/face-api/model");
  await found.nets.tinyFaceDetector.loadFromDisk(weights);
  await found.nets.faceExpressionNet.loadFromDisk(weights);
  return found;
}

function picture(about, data) {
  const channels = about.kind === "face" ? 1 : 3;
  const count = data.length / channels;
  const pixels = new Int32Array(count * 3);
  for (let at = 0; at < count; at += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      // BGR or grey to RGB.
      pixels[at * 3 + channel] = channels === 1 ? data[at] : data[at * 3 + 2 - channel];
    }
  }
  return faceapi.tf.tensor3d(pixels, [about.shape[0], about.shape[1], 3], "int32");
}

const NAMES = { angry: "angry", disgusted: "disgust", fearful: "fear", happy: "happy", sad: "sad",
  surprised: "surprise", neutral: "neutral" };

function named(expressions) {
  return Object.fromEntries(Object.entries(NAMES).map(([theirs, ours]) => [ours, expressions[theirs]]));
}

async function answer(about, data) {
  const input = picture(about, data);
  try {
    if (about.kind === "face") return named(await faceapi.nets.faceExpressionNet.predictExpressions(input));
    const faces = await faceapi
      .detectAllFaces(input, new faceapi.TinyFaceDetectorOptions())
      .withFaceExpressions();
    if (!faces.length) return { found: 0, label: null };
    const [surest] = Object.entries(named(faces[0].expressions)).sort((one, other) => other[1] - one[1]);
    return { found: faces.length, label: surest[0] };
  } finally {
    faceapi.tf.dispose(input);
  }
}

function cpuSeconds() {
  const used = process.cpuUsage();
  return (used.user + used.system) / 1e6;
}

async function take(about, data) {
  if (faceapi === null) faceapi = await start();
  const cpu = cpuSeconds();
  const began = process.hrtime.bigint();
  const told = await answer(about, data);
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  return { seconds, cpu_seconds: cpuSeconds() - cpu, answer: told };
}

function folderBytes(name) {
  let bytes = 0;
  for (const entry of fs.readdirSync(name, { withFileTypes: true })) {
    const inner = path.join(name, entry.name);
    if (entry.isDirectory()) bytes += folderBytes(inner);
    else if (entry.isFile()) bytes += fs.statSync(inner).size;
  }
  return bytes;
}

function about(what) {
  if (what === "disk") {
    const version = (name) => load(`${name}/package.json`).version;
    return {
      disk_bytes: folderBytes(modules),
      packages: fs.readdirSync(modules).filter((name) => !name.startsWith(".")).length,
      versions: { "@vladmandic/face-api": version("@vladmandic/face-api"), "@tensorflow/tfjs": version("@tensorflow/tfjs") },
    };
  }
  const status = Object.fromEntries(
    fs.readFileSync("/proc/self/status", "utf8").split("\n").map((line) => line.split(/:\s*/)));
  return {
    runtime: `Node ${process.versions.node}, ${faceapi ? faceapi.tf.getBackend() : "not loaded"}`,
    cpu_seconds: cpuSeconds(),
    peak_kib: parseInt(status.VmHWM, 10),
    resident_kib: parseInt(status.VmRSS, 10),
    threads: parseInt(status.Threads, 10),
  };
}

async function serve() {
  let waiting = Buffer.alloc(0);
  let request = null;
  for await (const chunk of process.stdin) {
    waiting = waiting.length ? Buffer.concat([waiting, chunk]) : chunk;
    for (;;) {
      if (request === null) {
        const end = waiting.indexOf(10);
        if (end < 0) break;
        request = JSON.parse(waiting.subarray(0, end).toString());
        waiting = waiting.subarray(end + 1);
      }
      const size = request.bytes ?? 0;
      if (waiting.length < size) break;
      const told = request.about ? about(request.about) : await take(request.item, waiting.subarray(0, size));
      fs.writeSync(1, `${JSON.stringify(told)}\n`);
      waiting = waiting.subarray(size);
      request = null;
    }
  }
}

serve().catch((error) => {
  console.error(`${error.name}: ${error.message}`.replaceAll("\n", " "));
  process.exit(1);
});
