//! `SPANWISE_REDACTION_FILE` has the rules of the processor and the exporter, too.

use crate::support;

use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::SdkTracerProvider;
use spanwise_receiver::Receiver;
use support::{exporter, processor, received};

#[test]
fn a_variable_names_the_rules_of_the_processor_and_of_the_exporter() {
    let path = std::env::temp_dir().join(format!("stock-redaction-{}.yaml", std::process::id()));
    std::fs::write(&path, "rules: [{action: mask, values: ['canary-[0-9]+']}]").unwrap();
    let file = path.display().to_string();
    let environment = move |name: &str| (name == "SPANWISE_REDACTION_FILE").then(|| file.clone());
    for is_processor in [true, false] {
        let (receiver, collected) = Receiver::collecting().unwrap();
        let builder = SdkTracerProvider::builder();
        let provider = if is_processor {
            let processor = processor().with_environment(environment.clone());
            let processor = processor.with_endpoint(receiver.http_endpoint()).build().unwrap();
            builder.with_span_processor(processor).build()
        } else {
            let exporter = exporter().with_environment(environment.clone());
            let exporter = exporter.with_endpoint(receiver.http_endpoint()).build().unwrap();
            builder.with_simple_exporter(exporter).build()
        };
        provider.tracer("shop").start("load canary-4711").end();
        provider.shutdown().unwrap();
        let request = received(&collected);
        let span = &request.resource_spans[0].scope_spans[0].spans[0];
        assert_eq!(span.name, "load ****");
    }
    std::fs::remove_file(&path).unwrap();
}
