//! A tab: a page with a size and a colour scheme, its console and its requests.

use super::devtools::{ANSWER, Browser};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::Instant;

/// `prefers-color-scheme` of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Light,
    Dark,
}

impl Scheme {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// A tab of its own. The drop closes it.
pub(crate) struct Tab<'b> {
    browser: &'b mut Browser,
    target: String,
    session: String,
    seen: Seen,
    is_loaded: bool,
}

/// The events of a tab that a check is about.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Errors and warnings of the console, exceptions and failed requests.
    pub(crate) problems: Vec<String>,
    /// The URL of each request.
    pub(crate) requests: Vec<String>,
    /// The ids of requests, with the indices of their URLs.
    ids: Vec<(String, usize)>,
    /// The requests whose answers are complete, by their ids.
    complete: Vec<String>,
    /// The requests that wait for [`Tab::fulfill`].
    paused: Vec<String>,
}

impl<'b> Tab<'b> {
    /// Opens an empty tab of this size in CSS pixels.
    ///
    /// # Errors
    /// The browser ended, or refuses a method.
    pub(crate) fn open(
        browser: &'b mut Browser,
        size: (u32, u32),
        scheme: Scheme,
    ) -> Result<Self, String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let created = browser.call(None, "Target.createTarget", json!({ "url": "about:blank" }))?;
        let target = text(&created["targetId"]);
        let attach = json!({ "targetId": target, "flatten": true });
        let attached = browser.call(None, "Target.attachToTarget", attach)?;
        let session = text(&attached["sessionId"]);
        let mut tab = Self { browser, target, session, seen: Seen::default(), is_loaded: false };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            tab.call(&format!("{domain}.enable"), json!({}))?;
        }
        tab.resize(size)?;
        tab.prefer(scheme)?;
        Ok(tab)
    }

    /// Loads a page and waits for its load event.
    ///
    /// # Errors
    /// The page cannot be loaded.
    pub(crate) fn load(&mut self, url: &str) -> Result<(), String> {
        self.is_loaded = false;
        let answer = self.call("Page.navigate", json!({ "url": url }))?;
        if let Some(error) = answer["errorText"].as_str() {
            return Err(format!("{url}: {error}"));
        }
        let until = Instant::now() + ANSWER;
        while !self.is_loaded {
            self.browser.wait_for_event("the load event", until)?;
            self.read_events();
        }
        Ok(())
    }

    /// The value of a JavaScript expression; one that is a promise is awaited.
    ///
    /// # Errors
    /// The expression throws.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Result<Value, String> {
        let parameters =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", parameters)?;
        match &answer["exceptionDetails"] {
            Value::Null => Ok(answer["result"]["value"].take()),
            thrown => Err(exception(thrown)),
        }
    }

    /// The visible part of the page, as PNG.
    ///
    /// # Errors
    /// The browser does not answer.
    pub(crate) fn screenshot(&mut self) -> Result<Vec<u8>, String> {
        let parameters = json!({ "format": "png" });
        let answer = self.call("Page.captureScreenshot", parameters)?;
        let data = answer["data"].as_str().unwrap_or_default();
        STANDARD.decode(data).map_err(|error| error.to_string())
    }

    /// The body of the last complete answer to a request of `url`.
    ///
    /// # Errors
    /// There is none, or the browser has dropped it.
    pub(crate) fn last_body(&mut self, url: &str) -> Result<String, String> {
        self.read_events();
        let id = self
            .seen
            .last_complete(url)
            .ok_or_else(|| format!("no answer to {url} is complete"))?;
        let answer = self.call("Network.getResponseBody", json!({ "requestId": id }))?;
        Ok(answer["body"].as_str().unwrap_or_default().to_owned())
    }

    /// The number of complete answers to requests of `url`.
    pub(crate) fn answers(&mut self, url: &str) -> usize {
        self.read_events();
        self.seen.complete_of(url).count()
    }

    /// Holds requests of `url` back from here on.
    ///
    /// # Errors
    /// The browser ended.
    pub(crate) fn intercept(&mut self, url: &str) -> Result<(), String> {
        self.call("Fetch.enable", json!({ "patterns": [{ "urlPattern": url }] })).map(drop)
    }

    /// Answers the next request that is held back with a JSON document.
    ///
    /// # Errors
    /// None comes.
    pub(crate) fn fulfill(&mut self, document: &Value) -> Result<(), String> {
        let until = Instant::now() + ANSWER;
        self.read_events();
        while self.seen.paused.is_empty() {
            self.browser.wait_for_event("a request", until)?;
            self.read_events();
        }
        let id = self.seen.paused.remove(0);
        let headers = json!([{ "name": "Content-Type", "value": "application/json" }]);
        let body = STANDARD.encode(document.to_string());
        let answer = json!({
            "requestId": id, "responseCode": 200, "responseHeaders": headers, "body": body,
        });
        self.call("Fetch.fulfillRequest", answer).map(drop)
    }

    /// Changes the size, as a window does.
    ///
    /// # Errors
    /// The browser ended.
    pub(crate) fn resize(&mut self, (width, height): (u32, u32)) -> Result<(), String> {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", metrics).map(drop)
    }

    /// Changes the colour scheme of the system.
    ///
    /// # Errors
    /// The browser ended.
    pub(crate) fn prefer(&mut self, scheme: Scheme) -> Result<(), String> {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme.name() });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [feature] })).map(drop)
    }

    /// All that the tab has reported so far.
    pub(crate) fn seen(&mut self) -> &Seen {
        self.read_events();
        &self.seen
    }

    fn call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        let answer = self.browser.call(Some(&self.session), method, parameters);
        self.read_events();
        answer
    }

    fn read_events(&mut self) {
        for event in self.browser.take_events() {
            if event["sessionId"] == self.session.as_str() {
                self.is_loaded |= event["method"] == "Page.loadEventFired";
                self.seen.add(&event);
            }
        }
    }
}

impl Drop for Tab<'_> {
    fn drop(&mut self) {
        let target = json!({ "targetId": self.target });
        let _ends_with_the_browser = self.browser.call(None, "Target.closeTarget", target);
    }
}

impl Seen {
    fn add(&mut self, event: &Value) {
        let parameters = &event["params"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => {
                self.problems.push(exception(&parameters["exceptionDetails"]));
            }
            "Runtime.consoleAPICalled" if is_problem(&parameters["type"]) => {
                self.problems.push(parameters["args"].to_string());
            }
            "Log.entryAdded" if is_problem(&parameters["entry"]["level"]) => {
                let entry = &parameters["entry"];
                self.problems.push(format!("{} {}", text(&entry["text"]), text(&entry["url"])));
            }
            "Network.requestWillBeSent" => {
                self.ids.push((text(&parameters["requestId"]), self.requests.len()));
                self.requests.push(text(&parameters["request"]["url"]));
            }
            "Fetch.requestPaused" => self.paused.push(text(&parameters["requestId"])),
            "Network.loadingFinished" => self.complete.push(text(&parameters["requestId"])),
            _ => {}
        }
    }
}

impl Seen {
    fn last_complete(&self, url: &str) -> Option<String> {
        self.complete_of(url).last().cloned()
    }

    /// The ids of the complete requests of `url`.
    fn complete_of<'s>(&'s self, url: &'s str) -> impl Iterator<Item = &'s String> {
        let url_of = |id: &str| {
            let (_, index) = self.ids.iter().rfind(|(other, _)| other == id)?;
            self.requests.get(*index)
        };
        self.complete.iter().filter(move |id| url_of(id).is_some_and(|other| other == url))
    }
}

fn is_problem(level: &Value) -> bool {
    matches!(level.as_str(), Some("error" | "warning" | "assert"))
}

fn exception(details: &Value) -> String {
    let description = details["exception"]["description"].as_str();
    description.or(details["text"].as_str()).unwrap_or("an exception").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_warnings_exceptions_and_requests_are_retained() {
        let mut seen = Seen::default();
        for (method, parameters) in [
            ("Runtime.consoleAPICalled", json!({ "type": "log", "args": ["fine"] })),
            ("Runtime.consoleAPICalled", json!({ "type": "error", "args": ["bad"] })),
            (
                "Log.entryAdded",
                json!({ "entry": { "level": "error", "text": "404", "url": "/x" } }),
            ),
            ("Log.entryAdded", json!({ "entry": { "level": "info", "text": "fine" } })),
            ("Runtime.exceptionThrown", json!({ "exceptionDetails": { "text": "Uncaught" } })),
            ("Network.requestWillBeSent", json!({ "requestId": "1", "request": { "url": "/a" } })),
            ("Network.requestWillBeSent", json!({ "requestId": "2", "request": { "url": "/a" } })),
            ("Network.requestWillBeSent", json!({ "requestId": "3", "request": { "url": "/a" } })),
            ("Network.loadingFinished", json!({ "requestId": "1" })),
            ("Network.loadingFinished", json!({ "requestId": "2" })),
        ] {
            seen.add(&json!({ "method": method, "params": parameters }));
        }
        assert_eq!(seen.problems, ["[\"bad\"]", "404 /x", "Uncaught"]);
        assert_eq!(seen.requests, ["/a", "/a", "/a"]);
        assert_eq!(
            (seen.last_complete("/a").as_deref(), seen.last_complete("/b")),
            (Some("2"), None)
        );
    }
}
