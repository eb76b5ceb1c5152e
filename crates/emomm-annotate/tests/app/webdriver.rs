//! A small client of the W3C WebDriver protocol for chromedriver, and the browser it drives.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The key under which an element's id comes.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long a page may take to become what a test expects.
const PATIENCE: Duration = Duration::from_secs(20);

/// Keys as WebDriver names them.
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const SPACE: &str = " ";

/// A browser with a fresh profile.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// Removed with the browser.
    profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.try_call("DELETE", "", None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// Starts chromedriver and chromium.
    pub(crate) fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need chromedriver and chromium: apt-get install chromium chromium-driver");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("chromedriver names its port").unwrap();
            if let Some(rest) = line.split("successfully on port ").nth(1) {
                break rest.trim_end_matches('.').trim().parse().unwrap();
            }
        };
        // Whatever it says later must not stop it.
        std::thread::spawn(move || for _ in lines {});
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self { driver, port, session: String::new(), profile };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--mute-audio",
            "--window-size=1280,900",
            "--accept-lang=en",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("--user-data-dir={}", browser.profile.path().display())])
        .collect::<Vec<_>>();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
        } } });
        let answer = browser.http("POST", "/session", Some(&wanted)).expect("a session");
        answer["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}")).clone_into(&mut browser.session);
        browser
    }

    /// One HTTP exchange with the driver.
    fn http(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|e| e.to_string())?;
        stream.set_read_timeout(Some(Duration::from_mins(3))).unwrap();
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body.as_bytes()))
            .map_err(|e| e.to_string())?;
        let body = whole_body(&mut stream).map_err(|e| e.to_string())?;
        let value: Value = serde_json::from_slice(&body).map_err(|e| e.to_string())?;
        let value = value["value"].clone();
        if value["error"].is_string() {
            return Err(format!("{}: {}", value["error"], value["message"]));
        }
        Ok(value)
    }

    fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        self.http(method, &format!("/session/{}{path}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_call(method, path, Some(body)).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// Opens a page.
    pub(crate) fn open(&self, url: &str) {
        self.call("POST", "/url", &json!({ "url": url }));
    }

    /// A DevTools command.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.call("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Runs a script whose last statement returns something.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.call("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs a script that hands its result to `done`.
    pub(crate) fn async_script(&self, script: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1]; {script}");
        self.call("POST", "/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// The first element of a selector; waits for it.
    pub(crate) fn find(&self, selector: &str) -> String {
        self.wait(&format!("an element {selector}"), || {
            let found = self.try_call(
                "POST",
                "/element",
                Some(&json!({ "using": "css selector", "value": selector })),
            );
            found.ok().and_then(|v| v[ELEMENT].as_str().map(str::to_owned))
        })
    }

    pub(crate) fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.call("POST", &format!("/element/{element}/click"), &json!({}));
    }

    pub(crate) fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.call("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Presses keys one after the other, wherever the focus is.
    pub(crate) fn press(&self, keys: &[&str]) {
        let actions: Vec<Value> = keys
            .iter()
            .flat_map(|key| {
                [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
            })
            .collect();
        self.call(
            "POST",
            "/actions",
            &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] }),
        );
    }

    /// Waits until something is there.
    pub(crate) fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            if start.elapsed() > PATIENCE {
                let text = self.try_call(
                    "POST",
                    "/execute/sync",
                    Some(&json!({
                    "script": "return location.href + '\\n' + document.body.innerText", "args": [] })),
                );
                panic!("waited for {what}; the page is {text:?}");
            }
            std::thread::sleep(Duration::from_millis(40));
        }
    }

    /// Waits until a script returns true.
    pub(crate) fn until(&self, condition: &str) {
        self.wait(condition, || {
            let script = format!("return Boolean({condition})");
            let value =
                self.try_call("POST", "/execute/sync", Some(&json!({ "script": script, "args": [] })));
            value.ok().filter(|v| *v == true).map(drop)
        });
    }

    /// Waits until the page says something.
    pub(crate) fn until_text(&self, text: &str) {
        let script = format!("document.body.innerText.includes({})", json!(text));
        self.until(&script);
    }

    /// A picture of the page, into the folder that `EMOMM_SCREENSHOTS` names.
    pub(crate) fn screenshot(&self, name: &str) {
        let Some(folder) = std::env::var_os("EMOMM_SCREENSHOTS") else { return };
        std::fs::create_dir_all(&folder).unwrap();
        let shot = self
            .devtools("Page.captureScreenshot", &json!({ "format": "png", "captureBeyondViewport": true }));
        let bytes = base64(shot["data"].as_str().unwrap());
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
    }

    /// A new tab in front; the number of tabs.
    pub(crate) fn new_tab(&self) -> String {
        let tab = self.call("POST", "/window/new", &json!({ "type": "tab" }));
        tab["handle"].as_str().unwrap().to_owned()
    }

    pub(crate) fn tab(&self) -> String {
        self.try_call("GET", "/window", None).unwrap().as_str().unwrap().to_owned()
    }

    pub(crate) fn switch_to(&self, tab: &str) {
        self.call("POST", "/window", &json!({ "handle": tab }));
    }

    pub(crate) fn close_tab(&self) {
        self.try_call("DELETE", "/window", None).unwrap();
    }

    /// A window as wide as a phone, or as it was.
    pub(crate) fn phone(&self, on: bool) {
        if on {
            let metrics = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
            self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        } else {
            self.devtools("Emulation.clearDeviceMetricsOverride", &json!({}));
        }
    }

    pub(crate) fn dark(&self, on: bool) {
        let value = if on { "dark" } else { "light" };
        // Without transitions, so that colours are what they will be.
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": value },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    pub(crate) fn offline(&self, on: bool) {
        self.network(on, 0);
    }

    /// A line on which every answer takes so many milliseconds longer.
    pub(crate) fn slow(&self, latency_ms: u32) {
        self.network(false, latency_ms);
    }

    fn network(&self, offline: bool, latency_ms: u32) {
        self.devtools("Network.enable", &json!({}));
        let conditions = json!({
            "offline": offline, "latency": latency_ms, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.devtools("Network.emulateNetworkConditions", &conditions);
    }
}

/// The body of a reply. The driver leaves the connection open, so its length has to be read.
fn whole_body(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(body)
}

/// Bytes of standard base64.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut n) = (0_u32, 0);
    for byte in text.bytes() {
        let Some(value) = ALPHABET.iter().position(|c| *c == byte) else { continue };
        bits = bits << 6 | value as u32;
        n += 6;
        if n >= 8 {
            n -= 8;
            out.push((bits >> n) as u8);
        }
    }
    out
}
