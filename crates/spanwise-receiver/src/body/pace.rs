//! The minimum rate of a body.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::budget::Charge;
use crate::limits::{FOREVER, Limits};
use crate::refusal::{CUT_SHORT, Refusal};
use crate::watch::Watch;

/// Enforces the minimum rate of a body: a client that holds a connection and memory must use them.
pub(super) struct Pace<'a> {
    charge: &'a Charge,
    watch: &'a Watch,
    window: Duration,
    min_bytes: u64,
    ends: Instant,
    received: u64,
}

impl<'a> Pace<'a> {
    pub(super) fn new(limits: &Limits, charge: &'a Charge, watch: &'a Watch) -> Self {
        // A window of zero would end before any byte could arrive.
        let window = limits.body_window.clamp(Duration::from_millis(1), FOREVER);
        let min_bytes = (window.as_secs_f64() * limits.body_rate as f64) as u64;
        Self { charge, watch, window, min_bytes, ends: Instant::now() + window, received: 0 }
    }

    /// The next piece of data; `None` at the end of the body.
    pub(super) async fn data<B>(&mut self, body: &mut B) -> Result<Option<Bytes>, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        loop {
            match timeout_at(self.ends, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    // Trailers have no meaning for an export.
                    let Ok(data) = frame.into_data() else { continue };
                    self.received += data.len() as u64;
                    self.charge.receive(data.len());
                    self.watch.piece(data.len());
                    return Ok(Some(data));
                }
                Ok(Some(Err(_))) => return Err(Refusal::Broken(CUT_SHORT)),
                Ok(None) => return Ok(None),
                Err(_) if self.received < self.min_bytes => return Err(Refusal::Slow),
                Err(_) => {
                    self.ends = Instant::now() + self.window;
                    self.received = 0;
                }
            }
        }
    }
}
