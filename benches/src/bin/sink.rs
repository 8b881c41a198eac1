//! A receiver that says where it is, and at the end of its input what it got.

use spanwise_receiver::Receiver;
use std::error::Error;
use std::io::{Read as _, Write as _, stdin, stdout};

fn main() -> Result<(), Box<dyn Error>> {
    let receiver = Receiver::builder().start()?;
    writeln!(stdout(), "{}", receiver.http_endpoint())?;
    stdin().read_to_end(&mut Vec::new())?;
    writeln!(stdout(), "{}", receiver.stats().spans)?;
    Ok(())
}
