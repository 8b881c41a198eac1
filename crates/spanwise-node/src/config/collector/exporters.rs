//! The exporters of the pipeline.

use super::client::{self, GRPC_KEYS, HTTP_KEYS};
use super::component::Component;
use super::extensions::Extensions;
use super::load_balancing;
use super::processors::Processed;
use super::queue::Queue;
use super::tls;
use crate::config::context::Context;
use crate::config::destinations::check_batches;
use crate::config::keys::check_requests;
use crate::config::values::{flag, not_supported, not_supported_if_true, path, without_effect};
use crate::settings::{DestinationSettings, GatewaySettings, Target};
use spanwise_config::{Field, Mapping};

/// The settings of the exporters.
#[derive(Default)]
pub(super) struct Exported {
    pub(super) gateway: Option<GatewaySettings>,
    pub(super) destinations: Vec<DestinationSettings>,
}

pub(super) fn read(
    components: &[Component<'_>],
    processed: &Processed,
    extensions: &Extensions<'_>,
    context: &Context<'_>,
) -> Exported {
    let mut exported = Exported::default();
    for component in components {
        let Component { kind, name, reference, field } = component;
        let (mapping, target) = match *kind {
            "load_balancing" | "loadbalancing" => {
                check_gateway(component, components.len(), processed);
                exported.gateway = load_balancing::read(field, extensions, context);
                continue;
            }
            "otlp" | "otlp_grpc" => {
                let mapping = field.mapping(GRPC_KEYS);
                let target = client::grpc(&mapping, extensions);
                (mapping, target.map(|builder| Target::Otlp(Box::new(builder))))
            }
            "otlphttp" | "otlp_http" => {
                let mapping = field.mapping(HTTP_KEYS);
                let target = client::http(&mapping, extensions);
                (mapping, target.map(|builder| Target::Otlp(Box::new(builder))))
            }
            "file" => file(field, context),
            "debug" => debug(field),
            "logging" => {
                reference.error("`logging` is not supported: the Collector has removed it; `debug` prints requests");
                continue;
            }
            other => {
                reference.error(format!(
                    "exporters of the type `{other}` are not supported; accepted is `otlp`, `otlp_http`, `load_balancing`, `file` or `debug`"
                ));
                continue;
            }
        };
        // The exporters of files and of the standard output have none.
        let queue = match *kind {
            "file" | "debug" => Queue::default(),
            _ => Queue::read(&mapping, name, extensions, context),
        };
        let Some(target) = target else { continue };
        if let Target::Otlp(builder) = &target {
            let tls = mapping.get("tls").mapping(tls::CLIENT_KEYS);
            check_requests(builder, field, &tls, context);
        }
        let mut destination = DestinationSettings::new(*name, target);
        if let (Some(batch), false) = (processed.batch, queue.has_batch) {
            destination.max_batch_spans = batch.spans;
            destination.batch_timeout = batch.timeout;
        }
        queue.apply(&mut destination);
        exported.destinations.push(destination);
    }
    if let Some(Component { reference, .. }) = components.last() {
        check_batches(reference, &exported.destinations);
    }
    exported
}

fn check_gateway(component: &Component<'_>, exporters: usize, processed: &Processed) {
    if exporters > 1 {
        component.reference.error(
            "other exporters beside it are not supported: a gateway sends to its peers alone",
        );
    }
    if processed.tail_sampling.is_some() {
        component.reference.error("`tail_sampling` before it is not supported: a gateway routes traces to the samplers, which have all of their spans");
    }
    if processed.batch.is_some() {
        component.reference.warning(
            "the processor `batch` has no effect: requests are split by trace id over the peers",
        );
    }
}

fn file<'d>(field: &Field<'d>, context: &Context<'_>) -> (Mapping<'d>, Option<Target>) {
    let mapping = field.mapping(&[
        "path",
        "rotation",
        "append",
        "format",
        "encoding",
        "compression",
        "flush_interval",
        "group_by",
        "create_directory",
        "directory_permissions",
    ]);
    let format = mapping.get("format");
    if format.string().is_some_and(|format| format != "json") {
        format.error("it is not supported: accepted is `json`");
    }
    not_supported(&mapping, &["encoding", "compression"], "the file has lines of OTLP/JSON");
    not_supported(&mapping, &["group_by"], "the node writes one file");
    not_supported_if_true(&mapping, "create_directory", "the directory is the operator's");
    let reason = "a request is written at once, and the directory is the operator's";
    without_effect(&mapping, &["flush_interval", "directory_permissions"], reason);
    if !flag(&mapping, "append") {
        field.warning("lines are appended to a file that exists, as with `append: true`");
    }
    let reason =
        "the node does not rotate a file: another program may rename it, such as logrotate";
    not_supported(&mapping, &["rotation"], reason);
    let field = mapping.get("path").required();
    let path = path(&field).inspect(|path| context.writes(&field, path));
    (mapping, path.map(|path| Target::File { path, max_bytes: None }))
}

fn debug<'d>(field: &Field<'d>) -> (Mapping<'d>, Option<Target>) {
    let mapping = field.mapping(&[
        "verbosity",
        "sampling_initial",
        "sampling_thereafter",
        "use_internal_logger",
        "output_paths",
        "sending_queue",
    ]);
    let reason = "it prints one line for each request to the standard output";
    without_effect(&mapping, &["sampling_initial", "sampling_thereafter"], reason);
    without_effect(&mapping, &["use_internal_logger", "output_paths", "sending_queue"], reason);
    let verbosity = mapping.get("verbosity");
    let levels = [("basic", true), ("normal", false), ("detailed", false)];
    if verbosity.choice(&levels) == Some(false) {
        verbosity.warning(format!("it has no effect: {reason}"));
    }
    (mapping, Some(Target::Debug))
}
