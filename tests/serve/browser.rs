//! A headless Chromium, driven through its debugging pipe: keys are pressed and pictures taken as a user would.

#![expect(clippy::disallowed_methods, reason = "these tests start a browser")]

use base64::Engine as _;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

/// Longer than a busy machine needs for one step.
const PATIENT: Duration = Duration::from_secs(120);

/// A browser with one page. Dropping it kills it with all its processes.
pub(crate) struct Browser {
    child: Child,
    commands: std::io::PipeWriter,
    messages: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// What the page complained of: exceptions, errors in the console, what its policy forbade.
    pub(crate) complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

/// A copy of a descriptor with a high number, so that 3 and 4 are free in the child.
fn high(fd: &impl std::os::fd::AsFd) -> OwnedFd {
    // SAFETY: F_DUPFD_CLOEXEC makes a new descriptor that nobody else has.
    unsafe {
        let fd = libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_DUPFD_CLOEXEC, 10);
        assert!(fd >= 10, "no descriptor");
        OwnedFd::from_raw_fd(fd)
    }
}

impl Browser {
    /// A browser with an empty page; `None`, and a word about it, where there is no Chromium.
    pub(crate) fn start() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut found = std::env::split_paths(&path).map(|folder| folder.join("chromium"));
        let Some(program) = found.find(|program| program.is_file()) else {
            println!("skipped: there is no `chromium` on PATH");
            return None;
        };
        let profile = tempfile::tempdir().expect("a temporary directory");
        let (their_input, commands) = std::io::pipe().expect("a pipe");
        let (output, their_output) = std::io::pipe().expect("a pipe");
        let (input, outlet) = (high(&their_input), high(&their_output));
        let mut command = Command::new(program);
        command.args(["--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"]);
        command.args(["--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars"]);
        // SAFETY: geteuid(2) only returns a number.
        if unsafe { libc::geteuid() } == 0 {
            command.arg("--no-sandbox");
        }
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        // It leaves a folder there when it is killed.
        command.env("TMPDIR", profile.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let (input_number, output_number) = (input.as_raw_fd(), outlet.as_raw_fd());
        // SAFETY: dup2(2) may be called between fork and exec; both descriptors live until the child is there.
        unsafe {
            command.pre_exec(move || {
                if libc::dup2(input_number, 3) == 3 && libc::dup2(output_number, 4) == 4 {
                    return Ok(());
                }
                Err(std::io::Error::last_os_error())
            });
        }
        let child = command.spawn().expect("chromium starts");
        let messages = listen(output);
        let mut browser = Self {
            child,
            commands,
            messages,
            session: None,
            last: 0,
            complaints: Vec::new(),
            _profile: profile,
        };
        browser.attach();
        Some(browser)
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", json!({"url": "about:blank"}));
        let wanted = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", wanted);
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut command = json!({"id": self.last, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        write!(self.commands, "{command}\0").expect("chromium listens");
        let deadline = Instant::now() + PATIENT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message =
                self.messages.recv_timeout(left).unwrap_or_else(|_late| panic!("{method} is not answered"));
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        let parameters = &message["params"];
        let complaint = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => Some(&parameters["exceptionDetails"]),
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => Some(&parameters["entry"]),
            Some("Runtime.consoleAPICalled") if parameters["type"] == "error" => Some(&parameters["args"]),
            Some(_) | None => None,
        };
        self.complaints.extend(complaint.map(Value::to_string));
    }

    /// Opens an address.
    pub(crate) fn open(&mut self, url: &str) {
        let went = self.call("Page.navigate", json!({"url": url}));
        assert!(went["errorText"].is_null(), "{url}: {went}");
        self.until("document.readyState === 'complete'");
    }

    /// What an expression of JavaScript comes to.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let wanted = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let done = self.call("Runtime.evaluate", wanted);
        assert!(done["exceptionDetails"].is_null(), "{expression}: {}", done["exceptionDetails"]);
        done["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENT;
        while self.eval(&format!("!!({expression})")) != true {
            if Instant::now() > deadline {
                let text = self.eval("document.body.innerText");
                panic!("never: {expression}\n{text}\n{:?}", self.complaints);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The text of the element that a selector finds, as it is shown.
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let text = self.eval(&format!("document.querySelector({})?.innerText", json!(selector)));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Puts text in the place of what a field has, as if it were pasted.
    pub(crate) fn paste(&mut self, selector: &str, text: &str) {
        self.eval(&format!(
            "(field => (field.focus(), field.select()))(document.querySelector({}))",
            json!(selector)
        ));
        if text.is_empty() {
            return self.press("Delete", 46, 0);
        }
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Presses a key; `modifiers` as the protocol has them: 2 is Ctrl.
    pub(crate) fn press(&mut self, key: &str, code: u32, modifiers: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let event = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code,
                "modifiers": modifiers});
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// A window of this width, light or dark.
    pub(crate) fn look(&mut self, width: u32, height: u32, scheme: &str) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// Whether nothing is wider than the window.
    pub(crate) fn fits(&mut self) -> bool {
        self.eval("document.documentElement.scrollWidth <= innerWidth") == true
    }

    /// A picture of the whole page, in `target/tmp/page/`.
    pub(crate) fn picture(&mut self, name: &str) {
        let taken =
            self.call("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}));
        let data = taken["data"].as_str().expect("a picture");
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
        let file = folder().join(format!("{name}.png"));
        std::fs::write(&file, bytes).expect("written");
        println!("a picture: {}", file.display());
    }
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Messages as they come, each ended by a zero byte.
fn listen(output: std::io::PipeReader) -> Receiver<Value> {
    let (told, messages) = sync_channel(10_000);
    let read = move || {
        for message in BufReader::new(output).split(0).map_while(Result::ok) {
            let message = serde_json::from_slice(&message).expect("chromium writes JSON");
            if told.send(message).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("chromium".to_owned()).spawn(read).expect("a thread");
    messages
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the page's complaints: {:?}", self.complaints);
        }
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: kill(2) has no memory effects; the child leads a group of its own and is not waited for yet.
        unsafe { libc::kill(-pid, libc::SIGKILL) };
        let _nothing_to_wait_for = self.child.wait();
    }
}
