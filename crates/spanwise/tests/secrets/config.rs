//! Configuration files.

use crate::printed::{Printed, SECRET};
use spanwise_config::Document;

pub fn configuration_files_do_not_show_their_secrets(printed: &Printed) {
    let variable = |_: &str| Some(SECRET.to_owned());
    let text = format!("size: ${{SIZE}}\ntoken: {SECRET}\n");
    let document = Document::parse("shop.yaml", text.as_bytes(), variable).unwrap();
    printed.debug("Document", &document);
    let read = document.read(|root| {
        let root = root.mapping(&["size", "token"]);
        printed.debug("Mapping", &root);
        printed.debug("Field", root.get("token"));
        printed.debug("Position", root.get("token").position());
        let (size, token) = (root.get("size").integer(0..=9), root.get("token").secret().boolean());
        root.get("token").warning("soon");
        (size, token)
    });
    printed.result("Problems", &read);
    printed.error("Problem", read.unwrap_err().iter().next().unwrap());
    let warned =
        document.read(|root| root.mapping(&["size", "token"]).get("token").warning("soon"));
    printed.result("Read", &warned);
}
