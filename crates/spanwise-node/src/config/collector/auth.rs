//! The block `auth` of receivers and exporters.

use super::extensions::Extensions;
use crate::config::values::not_supported;
use crate::settings::Secret;
use spanwise_config::Field;

/// The token of the authenticator.
pub(super) fn read(field: &Field<'_>, extensions: &Extensions<'_>) -> Option<Secret> {
    if !field.has_value() {
        return None;
    }
    let mapping = field.mapping(&["authenticator", "request_params"]);
    not_supported(&mapping, &["request_params"], "a token is in the header `authorization` alone");
    extensions.token(&mapping.get("authenticator").required())
}
