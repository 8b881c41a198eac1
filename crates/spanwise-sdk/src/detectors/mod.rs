//! Resource detectors: attributes of the process, the host and the container, on request.

mod container;
mod detected;
mod detector;
mod files;
mod host;
mod os;
mod process;
mod service_instance;
mod system;

pub use detector::Detector;

use detected::Detected;

/// Runs each of `detectors` once, in the order of [`Detector::ALL`].
///
/// The detectors read a few small files and make two system calls. They use no network and run no other
/// program.
pub(crate) fn detect(detectors: &[Detector]) -> Detected {
    let mut detected = Detected::default();
    for detector in Detector::ALL.into_iter().filter(|detector| detectors.contains(detector)) {
        match detector {
            Detector::Process => process::detect(&mut detected),
            Detector::ProcessCommand => process::detect_command(&mut detected),
            Detector::Host => host::detect(&mut detected),
            Detector::Os => os::detect(&mut detected),
            Detector::Container => container::detect(&mut detected),
            Detector::ServiceInstance => service_instance::detect(&mut detected),
        }
    }
    detected
}
