//! Places that cannot hold temporary files: the import is refused before any data is read, with an
//! SQLSTATE, a hint and no secret, and nothing is left.

use std::fs;

use crate::program::Program;
use crate::scene::{Scene, import};
use crate::servers::{BUCKET, Servers};
use crate::store::Store;

/// What must not be shown.
const SECRET: &str = "canary";

/// A place and how it is refused.
pub(crate) struct TempRefusal {
    /// Its name in the name of the test.
    pub(crate) name: &'static str,
    /// The programs that it needs.
    pub(crate) programs: &'static [Program],
    url: fn(&Servers) -> String,
    code: &'static str,
    words: &'static [&'static str],
}

/// The places.
pub(crate) const TEMP_REFUSALS: &[TempRefusal] = &[
    TempRefusal {
        name: "nobody_listens",
        programs: &[],
        url: |_| "http://ada:canary@127.0.0.1:1/temp?key=canary".into(),
        code: "08001",
        words: &["could not write temporary files at", "no connection to the server"],
    },
    TempRefusal {
        name: "http_reads_only",
        programs: &[Program::Nginx],
        url: |servers| format!("http://{}/parts?key=canary", servers.web().address),
        code: "42501",
        words: &["does not let files be written and deleted there (405 ", "dav_methods PUT DELETE"],
    },
    TempRefusal {
        name: "http_forbidden",
        programs: &[Program::Nginx],
        url: |servers| format!("http://{}/forbidden/temp?key=canary", servers.web().address),
        code: "42501",
        words: &["access denied (403 Forbidden)"],
    },
    TempRefusal {
        name: "http_knows_no_put",
        programs: &[Program::Python],
        url: |servers| format!("http://{}/temp?key=canary", servers.plain().address),
        code: "42501",
        words: &["does not let files be written and deleted there (501 "],
    },
    TempRefusal {
        name: "s3_without_bucket",
        programs: &[Program::Moto, Program::Python],
        url: |servers| {
            let there = format!("s3://{BUCKET}/");
            Store::S3.temp(servers, "none").replace(&there, "s3://nobodys-bucket/")
        },
        code: "58P01",
        words: &["the bucket does not exist"],
    },
    TempRefusal {
        name: "azure_without_container",
        programs: &[Program::Azurite, Program::Python],
        url: |servers| {
            let there = format!("azure://{BUCKET}/");
            Store::Azure.temp(servers, "none").replace(&there, "azure://nobodys/")
        },
        code: "58P01",
        words: &["the container does not exist"],
    },
    TempRefusal {
        name: "azure_wrong_key",
        programs: &[Program::Azurite, Program::Python],
        url: |servers| {
            let url = Store::Azure.temp(servers, "none");
            url.replace("AZURE_ACCOUNT_KEY=hash", "AZURE_ACCOUNT_KEY=Y2FuYXJ5")
        },
        code: "42501",
        words: &["access denied (403 "],
    },
];

impl TempRefusal {
    /// Checks it with a data file whose first row is wrong, which must not be read.
    pub(crate) fn check(&self, servers: &Servers) {
        let scene = Scene::new();
        fs::write(scene.path("wrong.csv"), "no number,a,b,c\n").expect("a data file");
        let ended =
            scene.refused(&import(&["wrong.csv"], &(self.url)(servers)), self.code, self.words);
        let shown = format!("{}{}", ended.out, ended.err);
        assert!(shown.contains("\nHINT: "), "there is no hint: {shown}");
        assert!(!shown.contains(SECRET), "a secret is shown: {shown}");
        assert!(!shown.contains("Y2FuYXJ5"), "a secret is shown: {shown}");
    }
}
