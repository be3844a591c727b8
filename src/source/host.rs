//! Which hosts may be reached, by their names and by the addresses that they have.
//!
//! Addresses are looked at where connections are made, so that a name whose address changes between
//! two looks leads nowhere.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::answer::Failure;
use crate::error::{Error, Result, SqlState};

/// How far a connection may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// To any host but those that give out what is nobody's business.
    Any,
    /// To public addresses alone: behind a redirect from one.
    Public,
    /// To the hosts that give a machine its credentials, too.
    Credentials,
}

/// Names of hosts that give out credentials and other data of the machine.
const METADATA_NAMES: &[&str] = &["metadata.google.internal", "metadata.goog", "instance-data"];

/// Hosts that clients of clouds ask for the credentials of the machine.
const CREDENTIAL_HOSTS: &[&str] =
    &["169.254.169.254", "169.254.170.2", "169.254.170.23", "metadata.google.internal"];

/// The rules of a session.
#[derive(Clone, Debug, Default)]
pub(super) struct HostRules {
    /// The hosts that may be reached, if they are limited.
    listed: Vec<(Host<String>, Option<u16>)>,
}

impl HostRules {
    /// Reads the hosts of `--allow-host`, each as `HOST` or `HOST:PORT`.
    pub(super) fn parse(hosts: &[String]) -> Result<Self> {
        let listed = hosts.iter().map(|host| parse_host(host)).collect::<Result<_>>()?;
        Ok(Self { listed })
    }

    /// Fails if a URL names a host that may not be reached, as far as its name or number tells.
    pub(super) fn check(&self, url: &Url, reach: Reach) -> Result<(), Failure> {
        let Some(host) = url.host() else {
            return Err(refused("", "it is no host"));
        };
        let host = host.to_owned();
        if !self.listed.is_empty() {
            let port = url.port_or_known_default();
            let admitted = self
                .listed
                .iter()
                .any(|(name, number)| *name == host && (number.is_none() || *number == port));
            if admitted {
                return Ok(());
            }
            let shown = port.map_or_else(|| host.to_string(), |port| format!("{host}:{port}"));
            return Err(refused(&shown, "it is not among the hosts of --allow-host")
                .with_hint("Name it by --allow-host when starting Wharf."));
        }
        match &host {
            Host::Domain(name) => {
                let name = name.trim_end_matches('.');
                let metadata = METADATA_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known));
                if metadata && !(reach == Reach::Credentials && is_credential_host(name)) {
                    return Err(metadata_host(name));
                }
                Ok(())
            }
            Host::Ipv4(address) => self.check_address(&host, IpAddr::V4(*address), reach),
            Host::Ipv6(address) => self.check_address(&host, IpAddr::V6(*address), reach),
        }
    }

    /// Fails if an address may not be connected to for a host.
    fn check_address(
        &self,
        host: &Host<String>,
        address: IpAddr,
        reach: Reach,
    ) -> Result<(), Failure> {
        let literal = self.listed.iter().any(|(name, _)| match name {
            Host::Ipv4(listed) => address == IpAddr::V4(*listed),
            Host::Ipv6(listed) => address == IpAddr::V6(*listed),
            Host::Domain(_) => false,
        });
        let credentials = reach == Reach::Credentials && is_credential_host(&host.to_string());
        if is_metadata(address) && !literal && !credentials {
            return Err(metadata_host(&host.to_string()));
        }
        if reach == Reach::Public && self.listed.is_empty() && !is_public(address) {
            return Err(refused(
                &host.to_string(),
                "a redirect must not lead from a public address to a private one",
            ));
        }
        Ok(())
    }
}

fn metadata_host(host: &str) -> Failure {
    refused(host, "it has a link-local address or gives out data of the machine")
        .with_hint("If it is meant, name its address by --allow-host when starting Wharf.")
}

fn refused(host: &str, reason: &str) -> Failure {
    Failure::new(
        SqlState::INSUFFICIENT_PRIVILEGE,
        format!("host \"{host}\" must not be reached: {reason}"),
    )
}

/// Returns whether clients of clouds ask a host for the credentials of the machine.
pub(super) fn is_credential_host(name: &str) -> bool {
    CREDENTIAL_HOSTS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn parse_host(text: &str) -> Result<(Host<String>, Option<u16>)> {
    let problem = || {
        Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("--allow-host \"{text}\" is no host, nor a host with a port"),
        )
        .hint("Write it as data.example.com, 10.0.0.7:8080 or [::1]:8080.")
    };
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            (name, Some(port.parse::<u16>().map_err(|_| problem())?))
        }
        _ => (text, None),
    };
    if name.contains('*') {
        return Err(problem());
    }
    let bare = name.contains(':') && !name.starts_with('[');
    let name = if bare { format!("[{name}]") } else { name.to_owned() };
    Ok((Host::parse(&name).map_err(|_| problem())?, port))
}

/// Returns the IPv4 address that an IPv6 address stands for, if it does.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(wide) = address else { return address };
    let parts = wide.segments();
    let joined =
        |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match parts {
        // Mapped, compatible, translated (RFC 6052) and 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] => joined(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) > (0, 1) => joined(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => joined(high, low),
        [0x2002, high, low, ..] => joined(high, low),
        _ => address,
    }
}

/// Returns whether an address is link-local, or one where clouds give out data of a machine.
fn is_metadata(address: IpAddr) -> bool {
    match unwrapped(address) {
        IpAddr::V4(address) => {
            address.is_link_local()
                || [[100, 100, 100, 200], [192, 0, 0, 192], [168, 63, 129, 16]]
                    .contains(&address.octets())
        }
        IpAddr::V6(address) => {
            address.segments()[0] & 0xffc0 == 0xfe80
                || address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
                || address == Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)
        }
    }
}

/// Returns whether an address is reached from anywhere, and not from within some network alone.
pub(super) fn is_public(address: IpAddr) -> bool {
    if is_metadata(address) {
        return false;
    }
    match unwrapped(address) {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            let shared = first == 100 && second & 0xc0 == 64;
            let assigned = first == 192 && second == 0 && third == 0;
            let measured = first == 198 && second & 0xfe == 18;
            !(address.is_private()
                || address.is_loopback()
                || address.is_multicast()
                || first == 0
                || first >= 240
                || shared
                || assigned
                || measured)
        }
        IpAddr::V6(address) => {
            let unique = address.segments()[0] & 0xfe00 == 0xfc00;
            let site = address.segments()[0] & 0xffc0 == 0xfec0;
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || unique
                || site)
        }
    }
}

/// Finds the addresses of a host by its name.
pub(super) type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Returns the lookup of the machine.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|host| {
        Box::pin(async move { Ok(tokio::net::lookup_host((host.as_str(), 0)).await?.collect()) })
    })
}

/// Finds the addresses of hosts and leaves out those that may not be reached. The connection goes to one
/// of those that are left, without another look.
pub(super) struct Resolver {
    pub(super) rules: Arc<HostRules>,
    pub(super) reach: Reach,
    pub(super) lookup: Lookup,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, reach) = (Arc::clone(&self.rules), self.reach);
        let host = name.as_str().to_owned();
        let looked_up = (self.lookup)(host.clone());
        Box::pin(async move {
            let unresolved = |reason: &str| {
                Failure::new(
                    SqlState::SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
                    format!("host \"{host}\" could not be found{reason}"),
                )
                .with_hint("Check the name of the host, and the network.")
                .worth_little()
            };
            let Ok(found) = looked_up.await else {
                return Err(unresolved("").into());
            };
            let domain = Host::Domain(host.clone());
            let mut admitted: Vec<SocketAddr> = Vec::new();
            let mut refusal = None;
            for address in found {
                match rules.check_address(&domain, address.ip(), reach) {
                    Ok(()) => admitted.push(address),
                    Err(failure) => refusal = Some(failure),
                }
            }
            if admitted.is_empty() {
                return Err(refusal.unwrap_or_else(|| unresolved(": it has no address")).into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::{Network, NetworkOptions};
    use super::*;

    fn admitted(rules: &HostRules, url: &str, reach: Reach) -> bool {
        match rules.check(&Url::parse(url).unwrap(), reach) {
            Ok(()) => true,
            Err(failure) => {
                assert_eq!(failure.code(), SqlState::INSUFFICIENT_PRIVILEGE);
                false
            }
        }
    }

    #[test]
    fn refuses_addresses_of_metadata_however_they_are_written() {
        let rules = HostRules::default();
        for host in [
            "169.254.169.254",
            "169.254.0.1",
            "2852039166",
            "0xa9fea9fe",
            "0xa9.0xfe.0xa9.0xfe",
            "0251.0376.0251.0376",
            "169.16689662",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:a9fe:a9fe::]",
            "[::169.254.169.254]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "metadata.google.internal",
            "METADATA.google.internal.",
            "169.254.169.254:8080",
            "user:pw@169.254.169.254",
        ] {
            assert!(!admitted(&rules, &format!("http://{host}/x"), Reach::Any), "{host}");
            assert!(!admitted(&rules, &format!("http://{host}/x"), Reach::Public), "{host}");
        }
        let credentials = "http://169.254.169.254/latest";
        assert!(admitted(&rules, credentials, Reach::Credentials));
        assert!(!admitted(&rules, "http://169.254.1.1/", Reach::Credentials));
    }

    #[test]
    fn reaches_private_addresses_unless_redirected_there() {
        let rules = HostRules::default();
        for host in [
            "127.0.0.1",
            "127.1",
            "0",
            "2130706433",
            "0x7f.1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[fc00::1]",
            "[ff02::1]",
        ] {
            assert!(admitted(&rules, &format!("http://{host}/x"), Reach::Any), "{host}");
            assert!(!admitted(&rules, &format!("http://{host}/x"), Reach::Public), "{host}");
        }
        for host in ["8.8.8.8", "[2001:4860:4860::8888]", "example.com", "172.32.0.1"] {
            assert!(admitted(&rules, &format!("http://{host}/x"), Reach::Public), "{host}");
        }
    }

    #[test]
    fn reaches_listed_hosts_alone() {
        let hosts = ["Data.Example.com", "127.0.0.1:8080", "[::1]:9000", "::2", "169.254.9.9"];
        let rules = HostRules::parse(&hosts.map(str::to_owned)).unwrap();
        let check = |url: &str, expected: bool| {
            assert_eq!(admitted(&rules, url, Reach::Any), expected, "{url}");
        };
        check("http://data.example.com/x", true);
        check("https://data.example.com:8443/x", true);
        check("http://evil-data.example.com/x", false);
        check("http://data.example.com.evil.com/x", false);
        check("http://data.example.com@evil.com/x", false);
        check("http://evil.com#@data.example.com", false);
        check("http://127.0.0.1:8080/x", true);
        check("http://127.1:8080/x", true);
        check("http://127.0.0.1/x", false);
        check("http://localhost:8080/x", false);
        check("http://[::1]:9000/x", true);
        check("http://[::2]/x", true);
        check("http://169.254.9.9/x", true);
        check("http://169.254.169.254/x", false);
        let name = Host::Domain("data.example.com".to_owned());
        let rebound = rules.check_address(&name, "169.254.169.254".parse().unwrap(), Reach::Any);
        assert!(rebound.is_err(), "a name must not come to mean an address of metadata");
    }

    #[test]
    fn looks_at_the_addresses_of_names() {
        let resolve = |reach: Reach| {
            let network = Network::new(NetworkOptions::default()).unwrap();
            let resolver = Resolver { rules: Arc::default(), reach, lookup: system_lookup() };
            let resolved = network.wait(async move {
                let found = resolver.resolve("localhost".parse().unwrap()).await;
                found.map(Iterator::count).map_err(|error| Failure::of_cause(&*error).code())
            });
            resolved.unwrap()
        };
        assert!(resolve(Reach::Any).unwrap() > 0);
        assert_eq!(resolve(Reach::Public), Err(SqlState::INSUFFICIENT_PRIVILEGE));
    }

    #[test]
    fn refuses_what_is_no_host() {
        for text in ["", "*.example.com", "a b", "h:99999", "http://h", "h:"] {
            let error = HostRules::parse(&[text.to_owned()]).unwrap_err();
            assert_eq!(error.code(), SqlState::INVALID_PARAMETER_VALUE, "{text}");
        }
    }
}
