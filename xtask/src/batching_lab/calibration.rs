//! The measured costs of requests.

use serde_json::{Value, json};
use std::fmt;

/// Costs of a request, as the checked-in file states them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Calibration {
    /// The day of the measurement.
    pub(super) date: String,
    /// The processor and the number of its cores.
    pub(super) machine: String,
    /// CPU time at the client: the exporter's thread.
    pub(super) client: Cost,
    /// CPU time at the receiver.
    pub(super) receiver: Cost,
    /// Microseconds of CPU time of a thread that wakes the exporter's.
    pub(super) wake: f64,
    /// Time from the start of a request to its response, with one in flight.
    pub(super) latency: Cost,
    /// Bytes of a span.
    pub(super) span_bytes: f64,
}

/// Microseconds for each request and for each byte.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    pub(super) per_request: f64,
    pub(super) per_byte: f64,
}

impl Cost {
    /// The least-squares fit of `microseconds = per_request + per_byte * bytes`, each point weighted by the
    /// inverse of its square: large requests must not hide the cost of small ones.
    pub(super) fn fit(points: impl Iterator<Item = (f64, f64)> + Clone) -> Self {
        let sum = |term: fn(f64, f64) -> f64| -> f64 {
            points.clone().map(|(bytes, micros)| term(bytes, micros) / (micros * micros)).sum()
        };
        let (weight, x, y) = (sum(|_, _| 1.0), sum(|x, _| x), sum(|_, y| y));
        let (xx, xy) = (sum(|x, _| x * x), sum(|x, y| x * y));
        let per_byte = ((weight * xy - x * y) / (weight * xx - x * x)).max(0.0);
        Self { per_request: ((y - per_byte * x) / weight).max(0.0), per_byte }
    }

    fn to_json(self) -> Value {
        json!({ "us_per_request": self.per_request, "us_per_byte": self.per_byte })
    }

    fn of_json(value: &Value) -> Option<Self> {
        let number = |name: &str| value.get(name)?.as_f64().filter(|number| *number >= 0.0);
        Some(Self { per_request: number("us_per_request")?, per_byte: number("us_per_byte")? })
    }
}

impl Calibration {
    /// The file that is checked in: measured on an idle machine, where each wake-up ends an idle state of a
    /// core, and on a busy one.
    pub(super) fn checked_in() -> Result<Vec<Self>, String> {
        let file: Value = serde_json::from_str(FILE).map_err(|error| error.to_string())?;
        file.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(Self::parse).collect()
    }

    fn parse(value: &Value) -> Result<Self, String> {
        let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
        let cost = |name: &str| Cost::of_json(value.get(name)?);
        let read = || {
            Some(Self {
                date: text("date")?,
                machine: text("machine")?,
                client: cost("client")?,
                receiver: cost("receiver")?,
                wake: value.get("us_per_wake")?.as_f64()?,
                latency: cost("latency")?,
                span_bytes: value.get("span_bytes")?.as_f64()?,
            })
        };
        read().ok_or_else(|| "calibration.json lacks a field".to_owned())
    }

    /// An element of the file.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "date": self.date,
            "machine": self.machine,
            "client": self.client.to_json(),
            "receiver": self.receiver.to_json(),
            "us_per_wake": self.wake,
            "latency": self.latency.to_json(),
            "span_bytes": self.span_bytes,
        })
    }

    /// Microseconds of CPU time for each request, at client and receiver.
    pub(super) fn cpu_per_request(&self) -> f64 {
        self.client.per_request + self.receiver.per_request
    }
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, machine, client, receiver, wake, latency, span_bytes } = self;
        write!(f, "{date}, {machine}, spans of {span_bytes:.0} bytes: {wake:.1} µs a wake-up;")?;
        for (name, Cost { per_request, per_byte }) in
            [("client CPU", client), ("receiver CPU", receiver), ("latency", latency)]
        {
            write!(
                f,
                " {name} {per_request:.1} µs a request and {:.2} ns a byte;",
                per_byte * 1e3
            )?;
        }
        Ok(())
    }
}

const FILE: &str = include_str!("calibration.json");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_as_it_is_written() {
        let calibrations = Calibration::checked_in().unwrap();
        assert_eq!(calibrations.len(), 2);
        for calibration in calibrations {
            assert!(calibration.cpu_per_request() > 1.0, "{calibration}");
            assert_eq!(Calibration::parse(&calibration.to_json()), Ok(calibration));
        }
        assert!(Calibration::parse(&json!({})).is_err());
    }

    #[test]
    fn a_fit_finds_both_parts() {
        let points = [1e3, 1e4, 1e5, 1e6].map(|bytes| (bytes, 80.0 + 0.002 * bytes));
        let Cost { per_request, per_byte } = Cost::fit(points.into_iter());
        assert!((per_request - 80.0).abs() < 1e-6 && (per_byte - 0.002).abs() < 1e-9);
    }
}
