// See check_report, which runs this with axe-core and puppeteer-core at hand.
"use strict";

const fs = require("fs");
const path = require("path");
const { pathToFileURL } = require("url");
const axe = require("axe-core").source;
const puppeteer = require("puppeteer-core");

const VIEWS = {
  desktop: { width: 1280, height: 900, scheme: "light" },
  dark: { width: 1280, height: 900, scheme: "dark" },
  phone: { width: 360, height: 740, scheme: "light" },
  "phone-dark": { width: 360, height: 740, scheme: "dark" },
};

function parse(words) {
  const at = words.indexOf("--shots");
  const shots = at < 0 ? null : words[at + 1];
  const files = at < 0 ? words : [...words.slice(0, at), ...words.slice(at + 2)];
  if (!files.length || (at >= 0 && !shots)) {
    console.error("usage: scripts/check_report REPORT.html… [--shots FOLDER]");
    process.exit(2);
  }
  return { files, shots };
}

async function look(browser, file, name, view, shots) {
  const page = await browser.newPage();
  const problems = [];
  const url = pathToFileURL(path.resolve(file)).href;
  page.on("console", (message) => problems.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
  page.on("dialog", async (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  page.on("request", (request) => {
    if (request.url() !== url && request.url() !== "data:,") problems.push(`request: ${request.url()}`);
  });
  await page.setViewport({ width: view.width, height: view.height });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: view.scheme }]);
  await page.goto(url, { waitUntil: "load" });
  const facts = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    scripts: document.querySelectorAll("script, iframe, object, embed, form, link[rel=stylesheet]").length,
    handlers: [...document.querySelectorAll("*")].filter((one) =>
      [...one.attributes].some((attribute) => attribute.name.startsWith("on"))).length,
    links: [...document.querySelectorAll("[href], [src]")].filter((one) =>
      !/^(#|data:,$)/.test(one.getAttribute("href") || one.getAttribute("src") || "")).length,
    styled: getComputedStyle(document.body).marginTop === "0px",
  }));
  if (facts.wide > 0) problems.push(`${facts.wide} pixels wider than the window`);
  if (facts.scripts) problems.push(`${facts.scripts} elements that run or load something`);
  if (facts.handlers) problems.push(`${facts.handlers} elements with event handlers`);
  if (facts.links) problems.push(`${facts.links} links that lead out of the file`);
  if (!facts.styled) problems.push("the style sheet is not in force");
  if (shots) {
    await page.screenshot({ path: path.join(shots, `${path.parse(file).name}-${name}.png`) });
    await page.screenshot({ path: path.join(shots, `${path.parse(file).name}-${name}-full.png`), fullPage: true });
  }
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  const opened = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (opened > 0) problems.push(`${opened} pixels wider than the window with everything opened`);
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  for (const one of found.violations) {
    const where = one.nodes.slice(0, 3).map((node) => `${node.target} ${node.html.slice(0, 120)}`).join(" | ");
    problems.push(`axe ${one.id} (${one.impact}, ${one.nodes.length} places): ${one.help}: ${where}`);
  }
  if (shots && name === "desktop") {
    await page.pdf({ path: path.join(shots, `${path.parse(file).name}.pdf`), format: "A4", printBackground: true });
  }
  await page.close();
  return { problems, rules: found.passes ? found.passes.length : 0 };
}

async function main() {
  const { files, shots } = parse(process.argv.slice(2));
  if (shots) fs.mkdirSync(shots, { recursive: true });
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  let bad = 0;
  try {
    for (const file of files) {
      for (const [name, view] of Object.entries(VIEWS)) {
        const { problems } = await look(browser, file, name, view, shots);
        for (const problem of problems) console.log(`${file} (${name}): ${problem}`);
        bad += problems.length;
      }
    }
  } finally {
    await browser.close();
  }
  console.log(`${files.length} reports, ${Object.keys(VIEWS).length} views: ${bad} problems`);
  process.exitCode = bad ? 1 : 0;
}

main().catch((error) => {
  console.error(error);
  process.exit(3);
});
