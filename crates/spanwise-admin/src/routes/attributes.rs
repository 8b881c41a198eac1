//! `/debug/attributes.json`: the attributes of sampled spans, without values. The crate's README documents its shape.

use crate::json::Json;
use crate::request::Request;
use crate::response::{JSON, Response};
use crate::route::{Route, Runs};
use crate::routes::metrics::ended;
use spanwise_metrics::{AttributeKey, AttributeReport};
use spanwise_sdk::LiveView;

pub(super) const ROUTES: &[Route<LiveView>] =
    &[Route { path: "/debug/attributes.json", runs: Runs::Inline, is_page: false, answer: data }];

fn data(view: &LiveView, _request: &Request) -> Response {
    view.watch_attributes();
    view.attributes().map_or_else(ended, |report| Response::ok(JSON, document(&report)))
}

/// The document. `spanwise attributes` writes the same; `schema` changes when a field changes its meaning.
fn document(report: &AttributeReport) -> String {
    let mut json = Json::new();
    json.object(|json| {
        json.key("schema").integer(SCHEMA);
        json.key("spans").integer(report.spans);
        json.key("bytes").integer(report.bytes);
        json.key("attribute_bytes").integer(report.attribute_bytes);
        json.key("distinct_keys").integer(report.distinct_keys);
        json.key("replaced_keys").integer(report.replaced_keys);
        json.key("malformed").integer(report.malformed);
        json.key("keys")
            .array(|json| report.keys.iter().for_each(|key| self::key(json, report, key)));
        json.key("advice").array(|json| report.advice().iter().for_each(|it| json.string(it)));
    });
    json.finish()
}

fn key(json: &mut Json, report: &AttributeReport, key: &AttributeKey) {
    json.object(|json| {
        json.key("place").string(key.place.name());
        json.key("key").string(&key.key);
        json.key("share").number(report.share(key));
        json.key("bytes").integer(key.bytes);
        json.key("bytes_error").integer(key.bytes_error);
        json.key("occurrences").integer(key.occurrences);
        json.key("values").integer(key.values);
        json.key("values_exact").boolean(key.is_exact);
        json.key("one_value").boolean(key.has_one_value());
        json.key("near_unique").boolean(key.is_near_unique());
    });
}

const SCHEMA: u64 = 1;
