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

/// Cuts a body that trickles: whoever holds a connection and memory must use them.
pub(super) struct Pace<'a> {
    charge: &'a Charge,
    watch: &'a Watch,
    window: Duration,
    least: u64,
    ends: Instant,
    came: u64,
}

impl<'a> Pace<'a> {
    pub(super) fn new(limits: &Limits, charge: &'a Charge, watch: &'a Watch) -> Self {
        // A window of no length would end before any byte could come.
        let window = limits.body_window.clamp(Duration::from_millis(1), FOREVER);
        let least = (window.as_secs_f64() * limits.body_rate as f64) as u64;
        Self { charge, watch, window, least, ends: Instant::now() + window, came: 0 }
    }

    /// The next piece of data; `None` at the end of the body.
    pub(super) async fn data<B>(&mut self, body: &mut B) -> Result<Option<Bytes>, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        loop {
            match timeout_at(self.ends, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    // Trailers say nothing that we need.
                    let Ok(data) = frame.into_data() else { continue };
                    self.came += data.len() as u64;
                    self.charge.arrive(data.len());
                    self.watch.piece(data.len());
                    return Ok(Some(data));
                }
                Ok(Some(Err(_))) => return Err(Refusal::Broken(CUT_SHORT)),
                Ok(None) => return Ok(None),
                Err(_) if self.came < self.least => return Err(Refusal::Slow),
                Err(_) => {
                    self.ends = Instant::now() + self.window;
                    self.came = 0;
                }
            }
        }
    }
}
