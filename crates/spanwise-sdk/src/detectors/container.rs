//! `container.id`, from the files of a Linux process about itself.

use super::detected::Detected;
use super::files::read_first;

pub(super) fn detect(detected: &mut Detected) {
    if cfg!(not(target_os = "linux")) {
        return;
    }
    let id = read_first(&["/proc/self/cgroup"]).and_then(|cgroup| {
        match cgroup.as_deref().and_then(from_cgroup) {
            Some(id) => Ok(Some(id)),
            None => Ok(read_first(&["/proc/self/mountinfo"])?.as_deref().and_then(from_mounts)),
        }
    });
    detected.add_read("container.id", id);
}

/// The id at the end of a control group's path: `…/docker/<id>`, `…/docker-<id>.scope`,
/// `…/cri-containerd-<id>.scope`, `…:cri-containerd:<id>`, or of ECS `…/<task>-<number>`.
fn from_cgroup(cgroup: &str) -> Option<String> {
    cgroup.lines().find_map(|line| {
        let (_, path) = line.rsplit_once('/')?;
        let name = path.strip_suffix(".scope").unwrap_or(path);
        let plain = name.rsplit(['-', ':']).next()?;
        let id = if is_ecs(name) { name } else { plain };
        (is_id(id) || is_ecs(id)).then(|| id.to_owned())
    })
}

/// The id in the source of the mount of `/etc/hostname`, which Docker, Podman and CRI-O keep in the
/// container's folder: `…/containers/<id>/…` or `…/overlay-containers/<id>/…`. The folder of a
/// `sandbox` belongs to the pod.
fn from_mounts(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        // Fields: mount id, parent id, device, root, mount point.
        let mut fields = line.split(' ').skip(3);
        let (root, mount_point) = (fields.next()?, fields.next()?);
        if mount_point != "/etc/hostname" {
            return None;
        }
        let folders = root.split('/').zip(root.split('/').skip(1));
        let mut ids = folders.filter(|(parent, id)| {
            matches!(*parent, "containers" | "overlay-containers") && is_id(id)
        });
        ids.next().map(|(_, id)| id.to_owned())
    })
}

fn is_id(text: &str) -> bool {
    text.len() == ID && is_hex(text)
}

/// Matches the id of an ECS task and a number.
fn is_ecs(text: &str) -> bool {
    text.split_once('-').is_some_and(|(task, number)| {
        let is_number = !number.is_empty() && number.len() <= MAX_NUMBER;
        task.len() == ECS_TASK && is_hex(task) && is_number && is_digits(number)
    })
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Digits of an id: a SHA-256 sum in hexadecimal.
const ID: usize = 64;
const ECS_TASK: usize = 32;
const MAX_NUMBER: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "dc579f8a8319c8cf7d38e1adf263bc08d23c5e1d3e3f9a9d2c5a7bb9a0c4f6ee";

    /// Lines in the formats of the runtimes.
    #[test]
    fn the_id_is_read_from_a_control_group() {
        for path in [
            format!("12:pids:/docker/{ID}"),
            format!("1:name=systemd:/system.slice/docker-{ID}.scope"),
            format!("0::/system.slice/docker-{ID}.scope"),
            format!("9:cpu:/kubepods/besteffort/podeadbeef-0000-4000-8000-000000000000/{ID}"),
            format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"),
            format!("4:memory:/kubepods/burstable/pod1/crio-{ID}.scope"),
            format!(
                "3:cpu:/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{ID}"
            ),
            format!("0::/machine.slice/libpod-{ID}.scope"),
            format!("11:cpu:/\n0::/\n1:pids:/docker/{ID}\n"),
        ] {
            assert_eq!(from_cgroup(&path).as_deref(), Some(ID), "{path}");
        }
        let task = format!("{}-1234567890", &ID[..32]);
        let ecs = format!("9:perf_event:/ecs/{}/{task}", &ID[..32]);
        assert_eq!(from_cgroup(&ecs), Some(task));
        for none in [
            "",
            "0::/",
            "0::/user.slice/user-1000.slice/session-2.scope",
            "1:name=systemd:/init.scope",
            &format!("0::/docker/{}", &ID[1..]),
            &format!("0::/docker/{}", ID.to_uppercase()),
            &format!("0::/docker/{ID}0"),
        ] {
            assert_eq!(from_cgroup(none), None, "{none}");
        }
    }

    #[test]
    fn the_id_is_read_from_the_mount_of_the_host_name() {
        let mount = |root: &str, point: &str| {
            format!(
                "1 2 0:1 / /proc rw - proc proc rw\n649 631 254:1 {root} {point} rw - ext4 /dev/vda1 rw"
            )
        };
        for folder in [
            format!("/var/lib/docker/containers/{ID}/hostname"),
            format!("/docker/containers/{ID}/hostname"),
            format!("/run/containers/storage/overlay-containers/{ID}/userdata/hostname"),
        ] {
            assert_eq!(from_mounts(&mount(&folder, "/etc/hostname")).as_deref(), Some(ID));
            assert_eq!(from_mounts(&mount(&folder, "/data")), None, "a user's mount");
        }
        let sandbox =
            format!("/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{ID}/hostname");
        assert_eq!(from_mounts(&mount(&sandbox, "/etc/hostname")), None);
        for broken in ["", "1", "1 2 3 4", "1 2 3 /containers/x /etc/hostname"] {
            assert_eq!(from_mounts(broken), None);
        }
    }
}
