//! Places that cannot be written to: an import with temporary files there is refused before any data is
//! read, EXPORT and COPY TO are refused too, with an SQLSTATE, a hint and no secret, and nothing is left.

use std::fs;

use crate::program::Program;
use crate::scene::{Scene, import, quoted};
use crate::servers::{BUCKET, Servers};
use crate::store::Store;

/// What must not be shown.
const SECRET: &str = "canary";

/// A place and how it is refused.
pub(crate) struct WriteRefusal {
    /// Its name in the name of the test.
    pub(crate) name: &'static str,
    /// The programs that it needs.
    pub(crate) programs: &'static [Program],
    url: fn(&Servers) -> String,
    code: &'static str,
    words: &'static [&'static str],
}

/// The places.
pub(crate) const WRITE_REFUSALS: &[WriteRefusal] = &[
    WriteRefusal {
        name: "nobody_listens",
        programs: &[],
        url: |_| "http://ada:canary@127.0.0.1:1/temp?key=canary".into(),
        code: "08001",
        words: &["no connection to the server"],
    },
    WriteRefusal {
        name: "host_not_allowed",
        programs: &[],
        url: |_| "http://ada:canary@169.254.169.254/out?key=canary".into(),
        code: "42501",
        words: &["must not be reached"],
    },
    WriteRefusal {
        name: "http_reads_only",
        programs: &[Program::Nginx],
        url: |servers| format!("http://{}/parts?key=canary", servers.web().address),
        code: "42501",
        words: &["does not let files be written and deleted there (405 ", "dav_methods PUT DELETE"],
    },
    WriteRefusal {
        name: "http_forbidden",
        programs: &[Program::Nginx],
        url: |servers| format!("http://{}/forbidden/temp?key=canary", servers.web().address),
        code: "42501",
        words: &["access denied (403 Forbidden)"],
    },
    WriteRefusal {
        name: "http_knows_no_put",
        programs: &[Program::Python],
        url: |servers| format!("http://{}/temp?key=canary", servers.plain().address),
        code: "42501",
        words: &["does not let files be written and deleted there (501 "],
    },
    WriteRefusal {
        name: "s3_without_bucket",
        programs: &[Program::Moto, Program::Python],
        url: |servers| {
            let there = format!("s3://{BUCKET}/");
            Store::S3.temp(servers, "none").replace(&there, "s3://nobodys-bucket/")
        },
        code: "58P01",
        words: &["the bucket does not exist"],
    },
    WriteRefusal {
        name: "azure_without_container",
        programs: &[Program::Azurite, Program::Python],
        url: |servers| {
            let there = format!("azure://{BUCKET}/");
            Store::Azure.temp(servers, "none").replace(&there, "azure://nobodys/")
        },
        code: "58P01",
        words: &["the container does not exist"],
    },
    WriteRefusal {
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

impl WriteRefusal {
    /// Checks it as the place of temporary files, with a data file whose first row is wrong, which must
    /// not be read.
    pub(crate) fn check_temp(&self, servers: &Servers) {
        let scene = Scene::new();
        fs::write(scene.path("wrong.csv"), "no number,a,b,c\n").expect("a data file");
        self.require_refused(&scene, &import(&["wrong.csv"], &(self.url)(servers)));
    }

    /// Checks it with EXPORT and with COPY TO, and with a file that is there and one that is not.
    pub(crate) fn check_export(&self, servers: &Servers) {
        let scene = Scene::new();
        let url = (self.url)(servers);
        let end = url.find('?').unwrap_or(url.len());
        let file = format!("{}/file.csv{}", &url[..end], &url[end..]);
        for (export, copy) in [("", ""), (" WITH overwrite", " WITH (OVERWRITE)")] {
            let url = quoted(&url);
            self.require_refused(&scene, &format!("EXPORT INTO CSV {url}{export} FROM SELECT 1"));
            self.require_refused(&scene, &format!("COPY (SELECT 1) TO {}{copy}", quoted(&file)));
        }
    }

    fn require_refused(&self, scene: &Scene, statement: &str) {
        let ended = scene.refused(statement, self.code, self.words);
        let shown = format!("{}{}", ended.out, ended.err);
        assert!(shown.contains("\nHINT: "), "there is no hint: {shown}");
        let jobs = scene.run(&["SHOW JOBS"]);
        let shown = format!("{shown}{}{}", jobs.out, jobs.err);
        assert!(!shown.contains(SECRET), "a secret is shown: {shown}");
        assert!(!shown.contains("Y2FuYXJ5"), "a secret is shown: {shown}");
    }
}
