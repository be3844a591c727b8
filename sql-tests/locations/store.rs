//! The places that files can be read from: one value per scheme, and per way to be let in.

use crate::data;
use crate::http::encode;
use crate::program::Program;
use crate::scene::{Scene, files_below};
use crate::servers::{AZURE_KEY, BUCKET, GOOGLE_BUCKET, Servers, azure_endpoint};

/// The key of a service account that needs no token, in base64: its requests are not signed.
pub(crate) const GOOGLE_KEY: &str = "eyJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCIsICJwcml2YXRlX2tleSI6ICJjYW5hcnktb2YtZ29vZ2xlIiwgInByaXZhdGVfa2V5X2lkIjogImtleSIsICJjbGllbnRfZW1haWwiOiAid2hhcmZAZXhhbXBsZS5jb20iLCAiZGlzYWJsZV9vYXV0aCI6IHRydWV9";

/// A kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    /// A plain path.
    Path,
    /// A path in a URL.
    File,
    /// The directory of external files.
    Nodelocal,
    /// A web server that serves ranges.
    Http,
    /// A web server that serves whole files only, without keeping connections.
    HttpWhole,
    /// A web server over TLS.
    Https,
    /// Amazon S3, with lasting keys.
    S3,
    /// Amazon S3, with the keys and the token of a session.
    S3Session,
    /// Google Cloud Storage.
    Gs,
    /// Azure's blob storage.
    Azure,
    /// Azure's blob storage by its other name.
    AzureBlob,
}

impl Store {
    /// All of them.
    pub(crate) const ALL: &[Self] = &[
        Self::Path,
        Self::File,
        Self::Nodelocal,
        Self::Http,
        Self::HttpWhole,
        Self::Https,
        Self::S3,
        Self::S3Session,
        Self::Gs,
        Self::Azure,
        Self::AzureBlob,
    ];

    /// Returns its name in the names of tests.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::File => "file",
            Self::Nodelocal => "nodelocal",
            Self::Http => "http",
            Self::HttpWhole => "http_whole",
            Self::Https => "https",
            Self::S3 => "s3",
            Self::S3Session => "s3_session",
            Self::Gs => "gs",
            Self::Azure => "azure",
            Self::AzureBlob => "azure_blob",
        }
    }

    /// Returns the programs that it needs.
    pub(crate) fn programs(self) -> &'static [Program] {
        match self {
            Self::Path | Self::File | Self::Nodelocal => &[],
            Self::Http => &[Program::Nginx],
            Self::HttpWhole => &[Program::Python],
            Self::Https => &[Program::Nginx, Program::Openssl],
            Self::S3 | Self::S3Session | Self::Gs => &[Program::Moto, Program::Python],
            Self::Azure | Self::AzureBlob => &[Program::Azurite, Program::Python],
        }
    }

    /// Returns whether it is another store by another name, or with other keys.
    pub(crate) fn is_other_form(self) -> bool {
        matches!(self, Self::S3Session | Self::AzureBlob)
    }

    /// Returns whether patterns find files there.
    pub(crate) fn lists(self) -> bool {
        !matches!(self, Self::Http | Self::HttpWhole | Self::Https)
    }

    /// Returns whether it is this machine, so that no credentials are needed to clean up.
    pub(crate) fn is_local(self) -> bool {
        matches!(self, Self::Path | Self::File | Self::Nodelocal)
    }

    /// Returns whether files can be written there at all.
    pub(crate) fn writes(self) -> bool {
        self != Self::HttpWhole
    }

    /// Returns the URL of a file; `*`, `[` and `]` in its name stay what they are.
    pub(crate) fn url(self, servers: &Servers, name: &str) -> String {
        let elements: Vec<String> = name.split('/').map(encode_pattern).collect();
        let path = elements.join("/");
        match self {
            Self::Path => servers.data().join(name).to_string_lossy().into_owned(),
            Self::File => format!("file://{}/{path}", servers.data().display()),
            Self::Nodelocal => format!("nodelocal://self/{path}"),
            Self::Http => format!("http://{}/{path}", servers.web().address),
            Self::HttpWhole => format!("http://{}/{path}", servers.plain().address),
            Self::Https => {
                format!("https://localhost:{}/{path}", servers.secure().address.port())
            }
            Self::S3 | Self::S3Session => {
                let (server, keys) = servers.amazon();
                let endpoint = encode(&format!("http://{}", server.address));
                let (id, secret) = match self {
                    Self::S3 => (&keys.lasting.0, &keys.lasting.1),
                    _ => (&keys.session.0, &keys.session.1),
                };
                let token = match self {
                    Self::S3 => String::new(),
                    _ => format!("&AWS_SESSION_TOKEN={}", encode(&keys.session.2)),
                };
                format!(
                    "s3://{BUCKET}/{path}?AWS_ACCESS_KEY_ID={id}&AWS_SECRET_ACCESS_KEY={}{token}\
                     &AWS_REGION=us-east-1&AWS_ENDPOINT={endpoint}",
                    encode(secret)
                )
            }
            Self::Gs => format!(
                "gs://{GOOGLE_BUCKET}/{path}?AUTH=specified&CREDENTIALS={}&GOOGLE_ENDPOINT={}",
                encode(GOOGLE_KEY),
                encode(&format!("http://{}", servers.google().address))
            ),
            Self::Azure | Self::AzureBlob => {
                let server = servers.azure();
                let (scheme, endpoint) = match self {
                    Self::Azure => ("azure", azure_endpoint(server)),
                    _ => ("azure-blob", format!("http://{}", server.address)),
                };
                format!(
                    "{scheme}://{BUCKET}/{path}?AZURE_ACCOUNT_KEY={AZURE_KEY}\
                     &AZURE_ACCOUNT_NAME={BUCKET}&AZURE_ENDPOINT={}",
                    encode(&endpoint)
                )
            }
        }
    }

    /// Returns a scene whose program may reach the place.
    pub(crate) fn scene(self, servers: &Servers) -> Scene {
        let data = servers.data().to_string_lossy();
        let scene = Scene::new();
        match self {
            Self::Nodelocal => scene.with_options(&["--external-io-dir", &data]),
            Self::Https => {
                let authority = servers.secure().directory.join("authority.pem");
                scene.with_variable("SSL_CERT_FILE", &authority.to_string_lossy())
            }
            Self::S3 => scene.with_secrets(&[&servers.amazon().1.lasting.1]),
            Self::S3Session => {
                let (_, secret, token) = &servers.amazon().1.session;
                scene.with_secrets(&[secret, token])
            }
            Self::Gs => scene.with_secrets(&[GOOGLE_KEY, "canary-of-google"]),
            // The key is a word of every day.
            Self::Azure | Self::AzureBlob => {
                scene.with_secrets(&[&format!("AZURE_ACCOUNT_KEY={AZURE_KEY}")])
            }
            Self::Path | Self::File | Self::Http | Self::HttpWhole => scene,
        }
    }

    /// Returns the URL of a directory for temporary files that is called `name`.
    pub(crate) fn temp(self, servers: &Servers, name: &str) -> String {
        self.url(servers, &format!("temp/{name}"))
    }

    /// Returns the names of what lies in that directory.
    pub(crate) fn temp_names(self, servers: &Servers, name: &str) -> Vec<String> {
        let below = |directory: std::path::PathBuf| {
            let found = files_below(&directory.join("temp").join(name));
            found.iter().map(|path| path.to_string_lossy().into_owned()).collect()
        };
        match self {
            Self::Path | Self::File | Self::Nodelocal => below(servers.data().to_owned()),
            Self::Http => below(servers.web().directory.join("root")),
            Self::Https => below(servers.secure().directory.join("root")),
            Self::HttpWhole => Vec::new(),
            Self::S3 | Self::S3Session => servers.names("s3", &format!("temp/{name}/")),
            Self::Gs => servers.names("gs", &format!("temp/{name}/")),
            Self::Azure | Self::AzureBlob => servers.names("azure", &format!("temp/{name}/")),
        }
    }

    /// Returns the URLs of the files that hold the rows in parts.
    pub(crate) fn parts(self, servers: &Servers) -> Vec<String> {
        (0..data::PARTS)
            .map(|number| self.url(servers, &format!("parts/part-{number:02}.csv")))
            .collect()
    }
}

/// Encodes an element of a path, but not the characters of patterns.
fn encode_pattern(element: &str) -> String {
    let mut encoded = String::new();
    for character in element.chars() {
        if "*[]".contains(character) {
            encoded.push(character);
        } else {
            encoded += &encode(&character.to_string());
        }
    }
    encoded
}
