//! The page in a tab, and the checks of one page.

use super::setup::PATIENCE;
use crate::browser::{Browser, Scheme, Tab};
use crate::peers::wait_until;
use serde_json::Value;

/// A loaded page.
pub(super) struct Page<'b> {
    tab: Tab<'b>,
    url: String,
}

impl<'b> Page<'b> {
    /// Opens a tab and loads the page.
    ///
    /// # Errors
    /// The browser or the process does not answer.
    pub(super) fn open(
        browser: &'b mut Browser,
        url: &str,
        size: (u32, u32),
        scheme: Scheme,
    ) -> Result<Self, String> {
        let mut tab = Tab::open(browser, size, scheme)?;
        tab.load(url)?;
        Ok(Self { tab, url: url.to_owned() })
    }

    pub(super) fn tab(&mut self) -> &mut Tab<'b> {
        &mut self.tab
    }

    /// Waits until the process has answered the page this often.
    ///
    /// # Errors
    /// The answers do not come.
    pub(super) fn wait_for_answers(&mut self, count: usize) -> Result<(), String> {
        let json = self.json();
        if wait_until(PATIENCE, || self.tab.answers(&json) >= count) {
            // The page draws the last one.
            return self.tab.evaluate(FRAME).map(drop);
        }
        Err(format!("fewer than {count} answers after {PATIENCE:?}"))
    }

    fn json(&self) -> String {
        format!("{}.json", self.url)
    }

    /// Stops the requests of the page by its button, and returns the last answer, which the page shows.
    ///
    /// # Errors
    /// The page does not pause, or has no answer.
    pub(super) fn pause(&mut self) -> Result<Value, String> {
        // A request under way is drawn when it is answered, at most four seconds later.
        let script = "new Promise((done) => { document.getElementById('pause').click(); setTimeout(done, 1500); })";
        self.tab.evaluate(script)?;
        let json = self.json();
        let body = self.tab.last_body(&json)?;
        serde_json::from_str(&body).map_err(|error| error.to_string())
    }

    /// The time of the first paint in milliseconds after the start of the navigation.
    ///
    /// # Errors
    /// The page was not painted.
    pub(super) fn first_paint(&mut self) -> Result<f64, String> {
        let script = "new Promise((done) => { const look = () => { \
                      const paint = performance.getEntriesByName('first-contentful-paint')[0]; \
                      paint ? done(paint.startTime) : setTimeout(look, 20); }; look(); })";
        self.tab.evaluate(script)?.as_f64().ok_or_else(|| "no paint".to_owned())
    }

    /// No problem of the console, and no request but to the origin.
    pub(super) fn is_quiet(&mut self) -> Result<String, String> {
        let seen = self.tab.seen().clone();
        if !seen.problems.is_empty() {
            return Err(seen.problems.join("\n"));
        }
        let origin = self.url.strip_suffix(PATH).unwrap_or_default();
        let is_ours =
            |url: &&String| url.starts_with(&format!("{origin}/")) || url.starts_with("data:");
        match seen.requests.iter().find(|url| !is_ours(url)) {
            Some(other) => Err(format!("a request to {other}")),
            None => Ok(format!("{} requests, all to the process", seen.requests.len())),
        }
    }

    /// No part is wider than the window, but those that scroll by themselves.
    pub(super) fn fits(&mut self) -> Result<String, String> {
        let script = "(() => { const width = document.documentElement.clientWidth; \
                      const scrolls = (it) => it && (getComputedStyle(it).overflowX !== 'visible' || scrolls(it.parentElement)); \
                      const wide = [...document.body.querySelectorAll('*')].find((it) => \
                        it.getBoundingClientRect().right > width + 1 && !scrolls(it.parentElement)); \
                      return [document.documentElement.scrollWidth - width, wide ? wide.outerHTML.slice(0, 200) : null]; })()";
        let answer = self.tab.evaluate(script)?;
        match (answer[0].as_f64(), answer[1].as_str()) {
            (Some(excess), None) if excess <= 0.0 => Ok(String::new()),
            (excess, part) => Err(format!(
                "{} px of overflow: {}",
                excess.unwrap_or(f64::NAN),
                part.unwrap_or("no part")
            )),
        }
    }

    /// The background is as dark or light as asked for, and every text stands out from what is behind it.
    pub(super) fn has_scheme(&mut self, scheme: Scheme) -> Result<String, String> {
        let answer = self.tab.evaluate(CONTRAST)?;
        let background = answer["background"].as_f64().ok_or("the page has no background")?;
        let is_right = match scheme {
            Scheme::Light => background > 0.6,
            Scheme::Dark => background < 0.1,
        };
        if !is_right {
            return Err(format!("the background has a luminance of {background:.2}"));
        }
        let lowest = answer["lowest"].as_f64().ok_or("the page has no text")?;
        let text = answer["text"].as_str().unwrap_or_default();
        match lowest >= MIN_CONTRAST {
            true => Ok(format!("contrast of text at least {lowest:.1}")),
            false => Err(format!("contrast {lowest:.1} of {text:?}, at least {MIN_CONTRAST}")),
        }
    }

    /// An answer whose texts are markup adds no element and runs no script.
    pub(super) fn shows_markup_as_text(&mut self) -> Result<String, String> {
        let json = self.json();
        let body = self.tab.last_body(&json)?;
        let document: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        self.tab.intercept(&json)?;
        let hostile = hostile(document);
        // Rates need two answers.
        self.tab.fulfill(&hostile)?;
        self.tab.fulfill(&hostile)?;
        self.tab.evaluate(FRAME)?;
        let elements = self.tab.evaluate("document.querySelectorAll('.evil').length")?;
        if elements != 0 {
            return Err(format!("{elements} elements of markup"));
        }
        self.is_quiet()?;
        match self.tab.seen().requests.iter().find(|url| url.contains("evil")) {
            Some(request) => Err(format!("a request to {request}")),
            None => Ok("markup in every text of an answer stays text".to_owned()),
        }
    }

    /// The page reports that the process does not answer.
    pub(super) fn reports_the_end(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let reported = wait_until(PATIENCE, || {
            let answer = self.tab.evaluate("document.querySelector('main [aria-live]').innerText");
            text = answer
                .map_or_else(|problem| problem, |it| it.as_str().unwrap_or_default().to_owned());
            text.truncate(text.find('\n').unwrap_or(text.len()));
            text.contains("does not answer")
        });
        if reported { Ok(text) } else { Err(format!("the page shows {text:?}")) }
    }
}

/// The path of the page.
const PATH: &str = "/debug/spanwise";
/// WCAG 2.2, 1.4.3, level AA.
const MIN_CONTRAST: f64 = 4.5;

/// The relative luminance of the background, and the text of the lowest contrast (WCAG 2.2).
const CONTRAST: &str = r"(() => {
  const parts = (colour) => (colour.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const luminance = ([r, g, b]) => [r, g, b]
    .map((it) => it / 255).map((it) => it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4)
    .reduce((sum, it, at) => sum + it * [0.2126, 0.7152, 0.0722][at], 0);
  const over = (top, under) => {
    const share = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map((at) => top[at] * share + under[at] * (1 - share));
  };
  const behind = (it) => {
    if (!it) return [255, 255, 255];
    const style = getComputedStyle(it);
    const own = parts(it instanceof SVGElement ? 'rgba(0, 0, 0, 0)' : style.backgroundColor);
    return own.length > 3 && own[3] === 0 ? behind(it.parentElement) : over(own, behind(it.parentElement));
  };
  let lowest = Infinity, text = '';
  for (const it of document.body.querySelectorAll('*')) {
    const own = [...it.childNodes].filter((node) => node.nodeType === 3).map((node) => node.textContent).join('').trim();
    const box = it.getBoundingClientRect();
    if (!own || !box.width || box.bottom < 0 || ['SCRIPT', 'STYLE', 'NOSCRIPT', 'title'].includes(it.tagName)) continue;
    const style = getComputedStyle(it), under = behind(it);
    const colour = over(parts(it instanceof SVGElement ? style.fill : style.color), under);
    const [light, dark] = [luminance(colour), luminance(under)].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < lowest) [lowest, text] = [contrast, own.slice(0, 60)];
  }
  return { background: luminance(behind(document.body)), lowest, text };
})()";

/// The document with markup in each text, and a reason of losses that is markup.
fn hostile(mut document: Value) -> Value {
    if let Some(reasons) = document["spans"]["dropped_by_reason"].as_object_mut() {
        reasons.insert(MARKUP.to_owned(), 7.into());
    }
    spoiled(document)
}

fn spoiled(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(format!("{MARKUP}{text}")),
        Value::Array(values) => values.into_iter().map(spoiled).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (key, spoiled(value))).collect()
        }
        other => other,
    }
}

/// Elements whose attributes and text would run code and send requests.
const MARKUP: &str = "<img class=\"evil\" src=\"/evil\" onerror=\"console.error(1)\"><script class=\"evil\">console.error(2)</script>";
/// Resolves after the frame that is drawn next.
const FRAME: &str = "new Promise((done) => setTimeout(done, 200))";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_text_is_spoiled_and_no_number() {
        let document = hostile(json!({ "a": ["x", 1], "spans": { "dropped_by_reason": {} } }));
        assert_eq!(document["a"], json!([format!("{MARKUP}x"), 1]));
        assert_eq!(document["spans"]["dropped_by_reason"][MARKUP], 7);
    }
}
