//! X-Ray's responses, and a poller and sampler that receive them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::support::{Virtual, drive};
use spanwise_sampling::{
    Sampler, SamplingParameters, Value, XrayError, XrayPoller, XrayRemote, XrayRequest,
    XraySettings,
};
use spanwise_testkit::load::{Arrivals, Shape};

pub const SECOND: u64 = 1_000_000_000;
/// The start of a test, in seconds since 1970.
pub const UNIX: u64 = 1_700_000_000;

/// A poller and its sampler, with the responses of X-Ray, in virtual time.
pub struct Fixture {
    pub poller: XrayPoller,
    pub sampler: Sampler,
    pub context: Virtual,
    /// The time of the poller, in nanoseconds.
    pub now: u64,
}

impl Fixture {
    pub fn new() -> Self {
        let remote = XrayRemote::new();
        let poller = XrayPoller::new(&XraySettings::default(), "shop", remote.clone(), 1);
        Self { poller, sampler: remote.into(), context: Virtual::new(), now: 0 }
    }

    pub fn with_rules(rules: &[String]) -> Self {
        let mut fixture = Self::new();
        assert_eq!(fixture.request().unwrap().path, "/GetSamplingRules");
        assert_eq!(fixture.answered(&records(rules)), Ok(true));
        fixture
    }

    pub fn unix(&self) -> u64 {
        UNIX + self.now / SECOND
    }

    pub fn request(&mut self) -> Option<XrayRequest> {
        self.poller.request(self.now, self.unix())
    }

    pub fn answered(&mut self, body: &str) -> Result<bool, XrayError> {
        self.poller.answered(self.now, self.unix(), body.as_bytes())
    }

    /// Waits for the report on the counts, and responds to it.
    pub fn report(&mut self, answer: &str) -> String {
        self.now += 2 * SECOND;
        let request = self.request().unwrap();
        assert_eq!(request.path, "/SamplingTargets");
        assert_eq!(self.answered(answer), Ok(true));
        request.body
    }

    /// Waits for the request for rules; reports before it fail.
    pub fn wait_for_rules(&mut self) {
        loop {
            self.now = self.poller.due().max(self.now);
            match self.request() {
                Some(request) if request.path == "/GetSamplingRules" => return,
                Some(_) => self.poller.failed(self.now),
                None => {}
            }
        }
    }

    pub fn keeps(&self, attributes: &[(&str, Value<'_>)]) -> bool {
        let params = SamplingParameters {
            attributes: &attributes,
            ..SamplingParameters::root(0, "x", &self.context)
        };
        self.sampler.should_sample(&params).sampled
    }

    /// The sampled roots per second of `per_second` offered ones.
    pub fn rate(&self, per_second: f64) -> f64 {
        let arrivals = Arrivals::new(Shape::Steady(per_second), 40.0, 1);
        drive(&self.sampler, &self.context, arrivals, || "x").rate(2.0, 40.0)
    }
}

/// The JSON of a rule, with the fields `more`.
pub fn rule(name: &str, priority: u32, rate: f64, reservoir: u32, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(
        r#"{{"SamplingRule": {{"RuleName": "{name}", "Priority": {priority}, "FixedRate": {rate},
        "ReservoirSize": {reservoir}, "Version": 1{comma}{more}}}, "ModifiedAt": 0.0}}"#
    )
}

pub fn records(rules: &[String]) -> String {
    format!(r#"{{"NextToken": null, "SamplingRuleRecords": [{}]}}"#, rules.join(","))
}

pub fn target(more: &str) -> String {
    format!(r#"{{"SamplingTargetDocuments": [{{"RuleName": "all", {more}}}]}}"#)
}
