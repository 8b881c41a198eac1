//! The document of a running process, which samples its spans while it is asked.

use crate::address::Address;
use crate::http;
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

/// Asks each second until the process has sampled enough spans.
///
/// # Errors
/// An object with a message: the URL, the problem and its fix.
pub(super) fn document(url: &str) -> Result<Value, Value> {
    let problem = |message: String| json!({ "message": message });
    let address = Address::parse(url)
        .map_err(|error| problem(format!("the URL is not accepted: {error}")))?
        .with_document("attributes.json");
    let until = Instant::now() + SAMPLED_FOR;
    loop {
        let body = http::get(&address)
            .map_err(|error| problem(format!("{address}: {error}; {}", error.fix())))?;
        let document: Option<Value> = serde_json::from_slice(&body).ok();
        let document = document.filter(|it| it["schema"] == 1 && it["keys"].is_array());
        let document = document.ok_or_else(|| {
            problem(format!(
                "{address}: the answer is no report of attributes; check that this is the endpoint of `spanwise-admin`, and of \
                 this version"
            ))
        })?;
        let is_enough = document["spans"].as_u64().is_some_and(|spans| spans >= ENOUGH_SPANS);
        if is_enough || Instant::now() >= until {
            return Ok(document);
        }
        thread::sleep(EVERY);
    }
}

const EVERY: Duration = Duration::from_secs(1);
const SAMPLED_FOR: Duration = Duration::from_secs(10);
/// Then shares and numbers of values hardly change.
const ENOUGH_SPANS: u64 = 10_000;
