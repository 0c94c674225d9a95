#!/usr/bin/env python3
"""Opens a report of `aedile report` in headless Chromium and uses it as a reader would.

    python tools/check_report.py REPORT.html [--screenshots DIR] [--browser chromium]

Checked: the page opens without an error, a warning or a request to the network; every figure is drawn; values appear
on hover and by the arrow keys; a click, the Enter key, a row of the table and an address with an anchor each open an
edit; the filters, the sorting and the legend work; dark colours come by the system's choice and by the button; a width
of 390 pixels needs no scrolling sideways; on paper all figures are there; without JavaScript figures and runs are; and
no text of the data became part of the page's code. One line a check; exit status 0 if all hold. Needs Chromium and
nothing else: it is spoken to through a pipe.
"""
import argparse
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time


class Browser:
    """Chromium's DevTools protocol over a pair of pipes: JSON messages that end with a zero byte."""

    def __init__(self, program: str, profile: str) -> None:
        to_read, self.out = os.pipe()
        self.inp, to_write = os.pipe()
        arguments = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
                     "--no-first-run", "--disable-background-networking", f"--user-data-dir={profile}"]
        # Chromium reads from descriptor 3 and writes to 4.
        self.process = subprocess.Popen(["sh", "-c", f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}', *arguments],
                                        pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.left = b""
        self.count = 0
        self.session: str | None = None
        self.events: list[dict] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def receive(self) -> dict:
        while b"\0" not in self.left:
            chunk = os.read(self.inp, 1 << 16)
            if not chunk:
                raise RuntimeError("the browser ended")
            self.left += chunk
        message, self.left = self.left.split(b"\0", 1)
        return json.loads(message)

    def call(self, method: str, **parameters) -> dict:
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method: str) -> None:
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())

    def value(self, expression: str):
        """What the JavaScript expression gives in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def open(self, url: str) -> None:
        self.events.clear()
        self.call("Page.navigate", url="about:blank")
        self.wait_for("Page.loadEventFired")
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")

    def mouse(self, kind: str, x: float, y: float) -> None:
        button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def click(self, x: float, y: float) -> None:
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y)
        self.mouse("mouseReleased", x, y)

    def key(self, name: str) -> None:
        codes = {"Enter": 13, "Escape": 27, "ArrowRight": 39, "Home": 36}
        text = {"text": "\r"} if name == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=codes[name],
                      **(text if kind == "keyDown" else {}))

    def size(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)

    def screenshot(self, path: pathlib.Path, whole: bool = False) -> None:
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        try:
            self.call("Browser.close")
        except (RuntimeError, OSError):
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


DATA = "JSON.parse(document.getElementById('data').textContent)"
PANELS = "[...document.querySelectorAll('svg.panel')]"
TIP = "document.getElementById('tip')"
EDIT = "document.getElementById('edit')"
TITLE = "document.getElementById('edit-title').textContent"
COUNT = "document.getElementById('count').textContent"
ROWS = "document.querySelectorAll('#list tbody tr')"


class Checks:
    def __init__(self, browser: Browser, report: pathlib.Path, pictures: pathlib.Path | None) -> None:
        self.browser = browser
        self.url = report.resolve().as_uri()
        self.pictures = pictures
        self.failed = 0

    def check(self, what: str, holds, found="") -> None:
        print(f"{'ok  ' if holds else 'FAIL'} {what}{f': {found}' if not holds and found != '' else ''}")
        self.failed += not holds

    def picture(self, name: str, whole: bool = False) -> None:
        if self.pictures:
            self.browser.screenshot(self.pictures / f"{name}.png", whole)

    def until(self, expression: str) -> bool:
        """True once the expression is, which events may take a moment for."""
        for _ in range(100):
            if self.browser.value(expression):
                return True
            time.sleep(0.02)
        return False

    # A point of an edit, in page coordinates, and which edit it is, scrolled into view: of the first panel that
    # shows edits as dots (or, without one, of the first) the one that is farthest from all others.
    POINT = """(() => {
        const data = JSON.parse(document.getElementById("data").textContent);
        const place = ([low, high, log], v) =>
            log ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low);
        const all = data.figures.flatMap((figure) => figure.panels.map((panel, p) => ({
            panel, svg: document.getElementById(figure.id).querySelectorAll("svg.panel")[p] })));
        const dots = all.find(({ panel }) => panel.series.some((series) => series.edits && !series.line));
        const { panel, svg } = dots || all[0];
        const [left, top, width, height] = panel.plot;
        const points = panel.series.flatMap((series) => series.y.map((y, i) => {
            const row = series.edits ? data.runs[series.run].rows[i] : [];
            const x = left + width * place(panel.x, series.x ? series.x[i] : row[0]);
            const down = y === null ? NaN : top + height * (1 - place(panel.y, y));
            return { x, y: down, edit: row[0], subject: row[3] };
        })).filter(({ x, y }) => Number.isFinite(x + y));
        const apart = (p, q) => (p.x - q.x) ** 2 + (p.y - q.y) ** 2;
        const room = (p) => Math.min(1e9, ...points.filter((q) => q !== p).map((q) => apart(p, q)));
        const rooms = points.slice(0, 400).map(room);
        const best = points[rooms.indexOf(Math.max(...rooms))];
        svg.scrollIntoView({ block: "center" });
        const on = new DOMPoint(best.x, best.y).matrixTransform(svg.getScreenCTM());
        return { ...best, x: on.x, y: on.y };
    })()"""

    def opening(self) -> None:
        b = self.browser
        b.size(1280, 900)
        b.open(self.url)
        self.check("the page has its title", b.value("document.title === document.querySelector('h1').textContent"),
                   b.value("document.title"))
        panels = b.value(f"{DATA}.figures.flatMap(f => f.panels).length")
        drawn = b.value(f"{PANELS}.filter(s => s.getBoundingClientRect().height > 100 "
                        "&& s.querySelector('[data-run] path')).length")
        self.check(f"all {panels} panels are drawn", panels == drawn and panels > 0, drawn)
        self.check("drawings have a description",
                   b.value(f"{PANELS}.every(s => s.getAttribute('aria-label').length > 20)"))
        self.check("ids are unique", b.value("(ids => ids.length === new Set(ids).size)"
                                             "([...document.querySelectorAll('[id]')].map(e => e.id))"))
        self.check("no text of the data became code",
                   b.value("document.querySelectorAll('script').length === 2 && "
                           "document.querySelectorAll('img, iframe, object, embed').length === 0"))
        self.picture("light", whole=True)

    def quiet(self) -> None:
        """Errors and requests of everything that came before."""
        noise = []
        for event in self.browser.events:
            method, parameters = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                noise.append(parameters["exceptionDetails"].get("exception", {}).get("description", "exception"))
            if method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
                noise.append(str(parameters["args"]))
            if method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                noise.append(parameters["entry"]["text"])
        self.check("no errors on the console", not noise, noise)
        requests = [event["params"]["request"]["url"] for event in self.browser.events
                    if event.get("method") == "Network.requestWillBeSent"]
        outside = [url for url in requests if not url.startswith("data:") and url.split("#")[0] != self.url]
        self.check("no requests to anywhere else", not outside, outside)

    def pointing(self) -> None:
        b = self.browser
        point = b.value(self.POINT)
        time.sleep(0.1)  # scrolling hides the tip
        b.mouse("mouseMoved", point["x"], point["y"])
        tip = b.value(f"{TIP}.innerText")
        self.check("hovering shows the edit", not b.value(f"{TIP}.hidden") and
                   f"edit {point['edit']} " in tip and ":" in tip, tip)
        self.picture("hover")
        b.mouse("mouseMoved", 5, 5)
        self.check("the values go with the pointer", b.value(f"{TIP}.hidden"))
        b.click(point["x"], point["y"])
        self.check("a click opens the edit", self.until(f"{EDIT}.open"))
        title = b.value(TITLE)
        self.check("it is that edit", title.startswith(f"Edit {point['edit']},"), title)
        self.check("its request is there",
                   b.value(f"document.getElementById('edit-body').innerText.includes({json.dumps(point['subject'])}"
                           ".replace(/\\s+/g, ' ').slice(0, 12))"))
        self.picture("edit")
        self.check("the address names it", b.value("location.hash").startswith("#run-"))
        b.key("Escape")
        self.check("Escape closes it", self.until(f"!{EDIT}.open && location.hash === ''"))

    def keyboard(self) -> None:
        b = self.browser
        b.value("document.querySelector('svg.panel.clickable').focus()")
        time.sleep(0.1)  # it may have scrolled
        b.key("Home")
        first = b.value(f"{TIP}.innerText")
        b.key("ArrowRight")
        second = b.value(f"{TIP}.innerText")
        self.check("arrow keys move through the points", "edit" in first and "edit" in second and first != second,
                   [first, second])
        b.key("Enter")
        self.check("Enter opens the edit", self.until(f"{EDIT}.open"))
        before = b.value(TITLE)
        b.value("document.getElementById('after').click()")
        self.check("Next goes to the next edit", b.value(TITLE) != before)
        b.value("document.getElementById('close').click()")
        self.check("Close closes it", self.until(f"!{EDIT}.open"))

    def table(self) -> None:
        b = self.browser
        total = b.value(f"{DATA}.runs.reduce((n, r) => n + r.rows.length, 0)")
        drawn = b.value(f"{ROWS}.length")
        self.check("rows are drawn as needed", 0 < drawn <= min(total, 200), drawn)
        if drawn < total:
            b.value("document.getElementById('list').scrollIntoView(); document.getElementById('list').scrollTop = 1e9")
            self.check("scrolling draws more of them", self.until(f"{ROWS}.length > {drawn}"))
        self.check("all edits are counted", b.value(COUNT) == f"{total} of {total} edits", b.value(COUNT))
        case = b.value(f"{DATA}.runs[0].rows.at(-1)[1]")
        b.value("document.getElementById('filter').focus()")
        b.call("Input.insertText", text=f"{case}")
        shown = b.value(f"[...{ROWS}].map(r => r.innerText)")
        fits = 0 < len(shown) < total and all(str(case) in row for row in shown)
        self.check("a filter leaves what fits", fits, shown[:3])
        b.value("document.getElementById('filter').value = 'no such words'; "
                "document.getElementById('filter').dispatchEvent(new Event('input'))")
        self.check("a filter that nothing fits", b.value(f"{ROWS}.length") == 0)
        b.value("document.getElementById('filter').value = ''; "
                "document.getElementById('filter').dispatchEvent(new Event('input'))")
        flagged = b.value(f"{DATA}.runs.flatMap(r => r.rows).filter(r => r[6]).length")
        b.value("document.getElementById('flagged').click()")
        self.check(f"flagged only leaves {flagged}", b.value(COUNT).startswith(f"{flagged} of "), b.value(COUNT))
        b.value("document.getElementById('flagged').click()")
        # Sorting by the edit, downwards: the last edit comes first.
        sort = "[...document.querySelectorAll('#list th button')].find(b => b.textContent === 'Edit').click()"
        b.value(f"{sort}; {sort}")
        last = b.value(f"Math.max(...{DATA}.runs.flatMap(r => r.rows.map(row => row[0])))")
        self.check("a column sorts", b.value(f"{ROWS}[0].querySelector('a').textContent") == str(last))
        b.value("document.getElementById('list').scrollIntoView()")
        self.picture("table")
        b.value(f"{ROWS}[0].querySelector('a').click()")
        self.check("a row opens its edit", self.until(f"{EDIT}.open"))
        anchor = b.value("location.href")
        b.value("document.getElementById('close').click()")
        b.open(anchor)
        self.check("an address with an anchor opens its edit", b.value(f"{EDIT}.open"))
        b.value("document.getElementById('close').click()")

    def legend(self) -> None:
        b = self.browser
        if not b.value("!!document.querySelector('#legend input')"):
            return
        shown = "getComputedStyle(document.querySelector('.panel [data-run=\"0\"]')).display !== 'none'"
        b.value("document.querySelector('#legend input').click()")
        hidden = not b.value(shown)
        b.value("document.querySelector('#legend input').click()")
        self.check("the legend hides and shows a run", hidden and b.value(shown))

    def colours(self) -> None:
        b = self.browser
        ground = "getComputedStyle(document.body).backgroundColor"
        light = b.value(ground)
        b.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        dark = b.value(ground)
        self.check("dark by the system's choice", light == "rgb(255, 255, 255)" and dark != light, dark)
        line = "getComputedStyle(document.querySelector('.panel path.s0')).stroke"
        self.check("series have colours for dark", b.value(line) != "rgb(0, 114, 178)", b.value(line))
        b.value("scrollTo(0, 0)")
        self.picture("dark", whole=True)
        b.value("document.getElementById('theme').click()")
        self.check("the button makes it light", b.value(ground) == light)
        b.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
        b.value("document.getElementById('theme').click()")
        self.check("and dark again", b.value(ground) != light)
        b.value("document.getElementById('theme').click()")

    def narrow(self) -> None:
        b = self.browser
        b.size(390, 844)
        wide = b.value("document.documentElement.scrollWidth")
        self.check("390 pixels need no scrolling sideways", wide <= 390, wide)
        fit = b.value(f"{PANELS}.every(s => s.getBoundingClientRect().right <= 390)")
        self.check("panels fit into 390 pixels", fit)
        self.picture("phone", whole=True)
        b.value("document.querySelector('#list a').click()")
        self.until(f"{EDIT}.open")
        self.check("so does an edit", b.value(f"{EDIT}.scrollWidth") <= 390,
                   b.value(f"{EDIT}.scrollWidth"))
        self.picture("phone-edit")
        b.value("document.getElementById('close').click()")
        b.size(1280, 900)

    def paper(self) -> None:
        b = self.browser
        b.call("Emulation.setEmulatedMedia", media="print",
               features=[{"name": "prefers-color-scheme", "value": "dark"}])
        self.check("paper is white", b.value("getComputedStyle(document.documentElement).colorScheme") == "light")
        self.check("all figures are on paper", b.value(f"{PANELS}.every(s => s.getBoundingClientRect().height > 50)"))
        self.check("controls are not", b.value("[...document.querySelectorAll('button:not(th button), .controls')]"
                                               ".every(e => e.getBoundingClientRect().height === 0)"))
        self.check("columns keep their names", b.value("[...document.querySelectorAll('#list thead th')]"
                                                       ".every(e => e.innerText.length > 0)"))
        pdf = base64.b64decode(b.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"])
        self.check("it prints", pdf.startswith(b"%PDF") and len(pdf) > 20000, len(pdf))
        if self.pictures:
            (self.pictures / "print.pdf").write_bytes(pdf)
        b.call("Emulation.setEmulatedMedia", media="", features=[])

    def without_script(self) -> None:
        b = self.browser
        b.call("Emulation.setScriptExecutionDisabled", value=True)
        b.open(self.url)
        self.check("without JavaScript the figures are there",
                   b.value(f"{PANELS}.every(s => s.getBoundingClientRect().height > 100)"))
        self.check("and the runs, and a word on the edits",
                   b.value("document.querySelectorAll('table tbody tr').length > 0 && "
                           "document.querySelector('noscript').getBoundingClientRect().height > 0"))
        b.call("Emulation.setScriptExecutionDisabled", value=False)

    def all(self) -> int:
        self.opening()
        self.pointing()
        self.keyboard()
        self.legend()
        self.colours()
        self.table()
        self.narrow()
        self.paper()
        self.quiet()
        self.without_script()
        return self.failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Uses a report in headless Chromium as a reader would.")
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("--screenshots", type=pathlib.Path, help="folder for pictures of what was checked")
    parser.add_argument("--browser", default="chromium")
    options = parser.parse_args()
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(options.browser, profile)
        try:
            failed = Checks(browser, options.report, options.screenshots).all()
        finally:
            browser.close()
    print("all checks hold" if failed == 0 else f"{failed} checks failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
