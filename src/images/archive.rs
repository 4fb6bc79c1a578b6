//! The archive that `docker load` takes.
//!
//! Responsible for its bytes, which depend on nothing but the binary and the description: no times, no names of users,
//! a fixed order. Nothing is held in memory beyond the binary: the layer is made twice, once for its digest.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::program::Program;
use super::spec::{ImageSpec, PROGRAM_PATH};

/// The digest of an image's configuration, by which an engine knows the image.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(String);

impl ImageId {
    /// The digest as an engine prints it: `sha256:` and 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Finds out the id of the image that [`write`] would write, without writing it.
    pub fn of(program: &Program, spec: &ImageSpec) -> io::Result<Self> {
        Ok(Self(sha256(&configuration(program, spec)?.1)))
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Writes the image `spec` with `program` in it to `out`, in the form of `docker save`, and gives its id.
pub fn write(out: impl Write, program: &Program, spec: &ImageSpec) -> io::Result<ImageId> {
    let (layer, configuration) = configuration(program, spec)?;
    let id = sha256(&configuration);
    let configuration_path = format!("{}.json", digits(&id));
    let layer_path = format!("{}/layer.tar", digits(&layer.digest));
    let manifest = json!([{ "Config": configuration_path, "RepoTags": [spec.reference], "Layers": [layer_path] }]);
    let manifest = serde_json::to_vec(&manifest)?;
    let mut archive = Builder::new(out);
    append(&mut archive, "manifest.json", 0o644, &manifest)?;
    append(&mut archive, &configuration_path, 0o644, &configuration)?;
    directory(&mut archive, &format!("{}/", digits(&layer.digest)), 0o755)?;
    let mut header = header(EntryType::Regular, 0o644, layer.size);
    header.set_path(&layer_path)?;
    header.set_cksum();
    let out = archive.get_mut();
    out.write_all(header.as_bytes())?;
    write_layer(&mut *out, program, spec)?;
    out.write_all(padding(layer.size))?;
    archive.into_inner()?.flush()?;
    Ok(ImageId(id))
}

/// What is known of a layer once it has been made.
struct Layer {
    digest: String,
    size: u64,
}

fn configuration(program: &Program, spec: &ImageSpec) -> io::Result<(Layer, Vec<u8>)> {
    let mut measure = Measure {
        hash: Sha256::new(),
        size: 0,
    };
    write_layer(&mut measure, program, spec)?;
    let layer = Layer {
        digest: format_digest(measure.hash),
        size: measure.size,
    };
    let configuration = serde_json::to_vec(&spec.configuration(&layer.digest))?;
    Ok((layer, configuration))
}

fn write_layer(out: impl Write, program: &Program, spec: &ImageSpec) -> io::Result<()> {
    let mut modes = BTreeMap::new();
    for wanted in &spec.directories {
        let path = wanted.path.trim_matches('/');
        for (end, _) in path.match_indices('/') {
            modes.entry(&path[..end]).or_insert(0o755);
        }
        modes.insert(path, wanted.mode);
    }
    let mut layer = Builder::new(out);
    for (path, mode) in modes {
        directory(&mut layer, &format!("{path}/"), mode)?;
    }
    append(&mut layer, PROGRAM_PATH.trim_start_matches('/'), 0o755, program.bytes())?;
    layer.into_inner().map(drop)
}

fn append(archive: &mut Builder<impl Write>, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
    archive.append_data(&mut header(EntryType::Regular, mode, bytes.len() as u64), path, bytes)
}

fn directory(archive: &mut Builder<impl Write>, path: &str, mode: u32) -> io::Result<()> {
    archive.append_data(&mut header(EntryType::Directory, mode, 0), path, io::empty())
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Gives the zeros that fill the last block of an entry of `size` bytes.
fn padding(size: u64) -> &'static [u8] {
    const BLOCK: usize = 512;
    static ZEROS: [u8; BLOCK] = [0; BLOCK];
    let used = (size % BLOCK as u64) as usize;
    &ZEROS[..(BLOCK - used) % BLOCK]
}

/// Counts and digests what is written.
struct Measure {
    hash: Sha256,
    size: u64,
}

impl Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn sha256(bytes: &[u8]) -> String {
    format_digest(Sha256::new_with_prefix(bytes))
}

fn format_digest(hash: Sha256) -> String {
    format!("sha256:{:x}", hash.finalize())
}

fn digits(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use serde_json::Value;

    use super::*;

    fn image(program: &[u8]) -> (Vec<u8>, ImageId) {
        let mut bytes = Vec::new();
        let id = write(
            &mut bytes,
            &Program::new(program.to_vec()),
            &ImageSpec::mongo("labctl/mongo:test"),
        )
        .unwrap();
        (bytes, id)
    }

    fn entries(archive: &[u8]) -> BTreeMap<String, (u32, Vec<u8>)> {
        let mut archive = tar::Archive::new(archive);
        let read = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().mtime().unwrap(), 0);
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            let path = entry.path().unwrap().display().to_string();
            (path, (entry.header().mode().unwrap(), bytes))
        });
        read.collect()
    }

    #[test]
    fn the_same_program_gives_the_same_bytes_and_another_gives_others() {
        let (bytes, id) = image(b"program");
        assert_eq!((&bytes, &id), (&image(b"program").0, &image(b"program").1));
        assert_ne!(id, image(b"another").1);
        let spec = ImageSpec::mongo("labctl/mongo:test");
        assert_eq!(ImageId::of(&Program::new(b"program".to_vec()), &spec).unwrap(), id);
    }

    #[test]
    fn every_part_is_where_the_manifest_says_and_has_the_digest_it_says() {
        let (bytes, id) = image(&[7; 1300]);
        let files = entries(&bytes);
        let manifest: Value = serde_json::from_slice(&files["manifest.json"].1).unwrap();
        assert_eq!(manifest[0]["RepoTags"], json!(["labctl/mongo:test"]));
        let configuration = &files[manifest[0]["Config"].as_str().unwrap()].1;
        assert_eq!(sha256(configuration), id.as_str());
        let configuration: Value = serde_json::from_slice(configuration).unwrap();
        let layer = &files[manifest[0]["Layers"][0].as_str().unwrap()].1;
        assert_eq!(configuration["rootfs"]["diff_ids"], json!([sha256(layer)]));
        assert_eq!(
            configuration["config"]["Entrypoint"],
            json!(["/labctl", "service", "mongo", "--bind_ip_all"])
        );
        assert_eq!(configuration["config"]["ExposedPorts"], json!({ "27017/tcp": {} }));
        assert_eq!(configuration["config"]["Volumes"], json!({ "/data/db": {} }));
    }

    #[test]
    fn the_layer_holds_the_program_and_empty_directories() {
        let (bytes, _) = image(&[7; 1300]);
        let files = entries(&bytes);
        let (_, layer) = files.iter().find(|(path, _)| path.ends_with("layer.tar")).unwrap().1;
        let layer = entries(layer);
        let modes: Vec<_> = layer.iter().map(|(path, (mode, _))| (path.as_str(), *mode)).collect();
        assert_eq!(
            modes,
            [
                ("data/", 0o755),
                ("data/db/", 0o755),
                ("labctl", 0o755),
                ("tmp/", 0o1777)
            ]
        );
        assert_eq!(layer["labctl"].1, [7; 1300]);
    }
}
