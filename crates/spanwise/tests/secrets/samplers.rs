//! Samplers of Jaeger and X-Ray.

use crate::printed::{Printed, SECRET, url};
use spanwise::sampling::{
    JaegerPoller, JaegerRemote, JaegerSettings, RemoteSettings, Sampler, XrayPoller, XrayRemote,
    XraySettings,
};

pub fn samplers_do_not_show_their_secrets(printed: &Printed) {
    let jaeger = JaegerSettings::default().with_endpoint(&url("127.0.0.1:9/s")).unwrap();
    let xray = XraySettings::default().with_endpoint(&url("127.0.0.1:9/")).unwrap();
    printed.debug("JaegerSettings", &jaeger);
    printed.debug("XraySettings", &xray);
    printed.debug("RemoteSettings", RemoteSettings::from(jaeger.clone()));
    printed.debug("RemoteSettings", RemoteSettings::from(xray.clone()));
    let sampler = JaegerRemote::new(Sampler::always_on());
    printed.debug("JaegerRemote", &sampler);
    let mut poll = JaegerPoller::new(&jaeger, "shop", sampler.clone(), 7);
    printed.debug("Poll", &poll);
    for answer in [SECRET.to_owned(), format!("{{\"{SECRET}\":1}}")] {
        printed.result("JaegerStrategyError", &poll.answered(0, answer.as_bytes()));
    }
    printed.error("Sampler", Sampler::from(sampler));
    let sampler = XrayRemote::new();
    printed.debug("XrayRemote", &sampler);
    let mut poll = XrayPoller::new(&xray, "shop", sampler.clone(), 7);
    printed.debug("XrayPoller", &poll);
    printed.debug("XrayRequest", poll.request(0, 0));
    printed.result("XrayError", &poll.answered(0, 0, SECRET.as_bytes()));
    printed.error("Sampler", Sampler::from(sampler));
    for bad in ["ftp://h", "http://", "h:1"] {
        let bad = bad.replace("://", &format!("://{SECRET}@"));
        printed.result("SettingError", &JaegerSettings::default().with_endpoint(&bad));
        printed.result("SettingError", &XraySettings::default().with_endpoint(&bad));
        printed.result("SettingError", &JaegerSettings::parse(&format!("{bad}={SECRET}")));
        printed.result("SettingError", &XraySettings::parse(&format!("endpoint={bad}?{SECRET}")));
    }
}
