//! A pod's volumes, as the kubelet lays them out, and where a container finds them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::namespace::Namespace;

/// Mode of a file of a ConfigMap or Secret that says none.
const MODE: u32 = 0o644;

/// A place in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// On the node.
    pub from: PathBuf,
    /// In the container.
    pub to: String,
    pub read_only: bool,
}

/// Writes a pod's volumes below a folder; claims are folders that stay.
pub fn write(namespace: &Namespace, spec: &Value, folder: &Path, claims: &Path) {
    let group = spec["securityContext"]["fsGroup"]
        .as_u64()
        .map(|group| u32::try_from(group).unwrap());
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        let place = folder.join(volume["name"].as_str().unwrap());
        if let Some(secret) = volume["secret"].as_object() {
            let name = secret["secretName"].as_str().unwrap();
            project(namespace, "Secret", name, &volume["secret"], &place, group);
        } else if let Some(map) = volume["configMap"].as_object() {
            let name = map["name"].as_str().unwrap();
            project(
                namespace,
                "ConfigMap",
                name,
                &volume["configMap"],
                &place,
                group,
            );
        } else if volume["emptyDir"].is_object() {
            fs::create_dir_all(&place).unwrap();
            writable(&place, 0o777, group);
        } else if let Some(claim) = volume["persistentVolumeClaim"]["claimName"].as_str() {
            let kept = claims.join(claim);
            fs::create_dir_all(&kept).unwrap();
            // As a file system comes that was made for it.
            writable(&kept, 0o755, group);
            symlink(&kept, &place).unwrap();
        } else {
            panic!("this kubelet does not know such a volume: {volume}");
        }
    }
}

/// A folder that its group may write to, and what is made in it is the group's.
fn writable(place: &Path, mode: u32, group: Option<u32>) {
    let mode = if group.is_some() { mode | 0o2770 } else { mode };
    chown(place, None, group).unwrap();
    fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
}

/// The keys as files, behind links by which the kubelet exchanges all of them at one moment.
fn project(
    namespace: &Namespace,
    kind: &str,
    name: &str,
    source: &Value,
    place: &Path,
    group: Option<u32>,
) {
    assert!(source["items"].is_null(), "this kubelet takes all keys");
    let mode = source["defaultMode"]
        .as_u64()
        .map_or(MODE, |mode| u32::try_from(mode).unwrap());
    let (files, folders) = match group {
        Some(_) => (mode | 0o440, 0o2775),
        None => (mode, 0o755),
    };
    let data = place.join("..2027_01_15");
    fs::create_dir_all(&data).unwrap();
    for (key, text) in namespace.data(kind, name) {
        let file = data.join(&key);
        fs::write(&file, text).unwrap();
        chown(&file, None, group).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(files)).unwrap();
        symlink(Path::new("..data").join(&key), place.join(&key)).unwrap();
    }
    symlink("..2027_01_15", place.join("..data")).unwrap();
    for folder in [place, &data] {
        chown(folder, None, group).unwrap();
        fs::set_permissions(folder, Permissions::from_mode(folders)).unwrap();
    }
}

/// Where a container wants them, outer places first.
pub fn mounts(container: &Value, volumes: &Path) -> Vec<Mount> {
    let wanted = container["volumeMounts"].as_array().into_iter().flatten();
    let mut mounts: Vec<Mount> = wanted
        .map(|mount| {
            let volume = volumes.join(mount["name"].as_str().unwrap());
            let path = mount["subPath"].as_str().unwrap_or_default();
            let from = volume.join(path);
            Mount {
                from: fs::canonicalize(&from)
                    .unwrap_or_else(|error| panic!("{mount}: no {}: {error}", from.display())),
                to: mount["mountPath"].as_str().unwrap().to_owned(),
                read_only: mount["readOnly"] == true,
            }
        })
        .collect();
    mounts.sort_by_key(|mount| mount.to.matches('/').count());
    mounts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn keys_are_files_with_the_modes_that_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut namespace = Namespace::default();
        namespace.secret("keys", &[("tls.key", "secret")]);
        namespace.config_map("settings", &[("outcry.toml", "a = 1")]);
        let spec = json!({ "volumes": [
            { "name": "keys", "secret": { "secretName": "keys", "defaultMode": 0o400 } },
            { "name": "config", "configMap": { "name": "settings" } },
            { "name": "data", "persistentVolumeClaim": { "claimName": "data-0" } },
        ] });
        let volumes = folder.path().join("volumes");
        fs::create_dir(&volumes).unwrap();
        write(&namespace, &spec, &volumes, &folder.path().join("claims"));
        assert_eq!(
            fs::read_to_string(volumes.join("keys/tls.key")).unwrap(),
            "secret"
        );
        assert_eq!(mode(&volumes.join("keys/tls.key")), 0o400);
        let container = json!({ "volumeMounts": [
            { "name": "config", "mountPath": "/data/outcry.toml", "subPath": "outcry.toml", "readOnly": true },
            { "name": "data", "mountPath": "/data" },
        ] });
        let mounts = mounts(&container, &volumes);
        assert_eq!(mounts[0].to, "/data");
        assert!(mounts[0].from.ends_with("claims/data-0") && !mounts[0].read_only);
        assert_eq!(fs::read_to_string(&mounts[1].from).unwrap(), "a = 1");
        assert_eq!(mode(&mounts[1].from), 0o644);
    }
}
