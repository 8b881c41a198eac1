//! A carrier for propagators that can hold several values of one header.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use std::collections::HashMap;

/// Headers in the order of their insertion. Names are case-insensitive, as in HTTP.
#[derive(Default)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    pub fn of(headers: &[(&str, &str)]) -> Self {
        Self(headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }
}

impl Injector for Headers {
    fn set(&mut self, key: &str, value: String) {
        self.0.push((key.to_owned(), value));
    }
}

impl Extractor for Headers {
    fn get(&self, key: &str) -> Option<&str> {
        self.get_all(key)?.first().copied()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let named = self.0.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
        let values: Vec<_> = named.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then_some(values)
    }
}

/// The context that `to` extracts of the headers that `from` injects, and those headers.
pub fn send(
    from: &dyn TextMapPropagator,
    to: &dyn TextMapPropagator,
    cx: &Context,
) -> (Context, HashMap<String, String>) {
    let mut headers = HashMap::new();
    from.inject_context(cx, &mut headers);
    (to.extract_with_context(&Context::new(), &headers), headers)
}
