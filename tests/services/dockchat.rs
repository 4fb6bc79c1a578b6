//! DockChat's files: the ones the lab promises, and a Compose file for either Compose.

use std::path::Path;

use tera::{Context, Tera};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/labs/lab2/dockchat");

/// The Compose file as the tutorial prints it.
const TUTORIAL: &str = r#"# Mongo DB
db:
  image: mongo
  expose:
    - 27017
  command: --smallfiles
# Python App
web:
  build: .
  ports:
    - "5000:5000"
  links:
   - db:db
"#;

fn files(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path.strip_prefix(FOLDER).unwrap().display().to_string());
        }
    }
}

fn compose_file(major: u32) -> String {
    let template = std::fs::read_to_string(Path::new(FOLDER).join("docker-compose.yml")).unwrap();
    let mut tera = Tera::default();
    tera.add_raw_template("docker-compose.yml", &template).unwrap();
    let mut context = Context::new();
    context.insert("compose", &serde_json::json!({ "major": major }));
    context.insert("images", &serde_json::json!({ "mongo": "mongo" }));
    tera.render("docker-compose.yml", &context).unwrap()
}

#[test]
fn dockchat_is_the_seven_files_of_the_tutorial() {
    let mut found = Vec::new();
    files(Path::new(FOLDER), &mut found);
    found.sort();
    let expected = [
        "Dockerfile",
        "README.md",
        "docker-compose.yml",
        "requirements.txt",
        "static/style.css",
        "templates/form_action.html",
        "webapp.py",
    ];
    assert_eq!(found, expected);
}

#[test]
fn compose_1_gets_the_file_of_the_tutorial() {
    assert_eq!(compose_file(1), TUTORIAL);
}

#[test]
fn compose_2_gets_the_same_services_in_its_own_layout() {
    let rendered = compose_file(2);
    assert!(
        rendered.starts_with("services:\n  # Mongo DB\n  db:\n    image: mongo\n"),
        "{rendered}"
    );
    assert_eq!(rendered.matches("    network_mode: bridge\n").count(), 2, "{rendered}");
    assert!(rendered.ends_with("    links:\n      - db:db\n"), "{rendered:?}");
}
