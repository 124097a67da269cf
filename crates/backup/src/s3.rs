//! S3: the few requests of an object store that a backup needs, signed by AWS Signature Version 4.
//!
//! Files up to one part go up by one PUT, longer ones by a multipart upload, which only the last request makes visible: a
//! file appears whole or not at all. Requests name the bucket in the path, which every compatible store takes. Who and where
//! comes from the environment, by the names that AWS's own tools use.

use crate::Failure;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::io::Read;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use ureq::http::{Request, Response};
#[cfg(feature = "tls")]
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

/// 16 MiB: a part (5 MiB is the least that stores take, and 10,000 parts the most: files up to 160 GiB).
const PART_BYTES: usize = 16 << 20;
/// 3: tries of one request; stores answer 500 and 503 now and then.
const TRIES: u32 = 3;
/// 1 s: before the second try.
const PAUSE: Duration = Duration::from_secs(1);
/// 60 s: until a connection stands, and until an answer begins.
const PATIENCE: Duration = Duration::from_secs(60);
/// HMAC's block, of SHA-256.
const BLOCK_BYTES: usize = 64;

/// A bucket, a prefix in it, and as whom.
pub struct S3 {
    agent: Agent,
    /// `http://host:port`
    endpoint: String,
    host: String,
    region: String,
    key_id: String,
    secret: String,
    session: Option<String>,
    /// `/bucket/prefix/`
    base: String,
}

/// An answer that is no failure.
type Answer = Response<Body>;

impl S3 {
    /// The place that `s3://BUCKET/PREFIX` names.
    pub fn open(place: &str) -> Result<S3, Failure> {
        let rest = place.strip_prefix("s3://").unwrap_or(place).trim_end_matches('/');
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(format!("{place}: s3://BUCKET/PREFIX is wanted"));
        }
        let get = |names: &[&str]| {
            names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        };
        let need =
            |name: &str| get(&[name]).ok_or_else(|| format!("{place}: the variable {name} is not set"));
        let region = get(&["AWS_REGION", "AWS_DEFAULT_REGION"]).unwrap_or_else(|| "us-east-1".into());
        let endpoint = get(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
            .unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let endpoint = endpoint.trim_end_matches('/').to_string();
        let host = match endpoint.split_once("://") {
            Some(("http", host)) => host,
            Some(("https", host)) if cfg!(feature = "tls") => host,
            Some(("https", _)) => {
                return Err(format!(
                    "{endpoint}: this build has no TLS (it was made with --no-default-features)"
                ));
            }
            _ => return Err(format!("AWS_ENDPOINT_URL: '{endpoint}' is no http:// or https:// address")),
        };
        let config = Agent::config_builder();
        #[cfg(feature = "tls")]
        let config = match get(&["AWS_CA_BUNDLE"]) {
            Some(path) => config.tls_config(trusting(&path)?),
            None => config,
        };
        let config = config
            .http_status_as_error(false)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE));
        Ok(S3 {
            agent: config.build().into(),
            host: host.to_string(),
            region,
            key_id: need("AWS_ACCESS_KEY_ID")?,
            secret: need("AWS_SECRET_ACCESS_KEY")?,
            session: get(&["AWS_SESSION_TOKEN"]),
            base: format!("/{bucket}/{prefix}{}", if prefix.is_empty() { "" } else { "/" }),
            endpoint,
        })
    }

    /// Its name for people.
    pub fn name(&self) -> String {
        format!("s3:/{}", self.base.trim_end_matches('/'))
    }

    /// Is there nothing below the prefix?
    pub fn is_empty(&self) -> Result<bool, Failure> {
        let (bucket, prefix) = self.base[1..].split_once('/').unwrap_or((&self.base[1..], ""));
        let query = [("list-type", "2"), ("max-keys", "1"), ("prefix", prefix)];
        let text = text(self.send("GET", &format!("/{bucket}"), &query, &[])?)?;
        Ok(!text.contains("<Key>"))
    }

    /// The content of a file, as it comes.
    pub fn read(&self, name: &str) -> Result<Box<dyn Read>, Failure> {
        let answer = self.send("GET", &format!("{}{name}", self.base), &[], &[])?;
        Ok(Box::new(answer.into_body().into_reader()))
    }

    /// Sends one request until it is answered by a success.
    fn send(&self, method: &str, path: &str, query: &[(&str, &str)], body: &[u8]) -> Result<Answer, Failure> {
        let mut trouble = String::new();
        for attempt in 0..TRIES {
            std::thread::sleep(PAUSE * attempt);
            match self.send_once(method, path, query, body) {
                Ok(answer) if answer.status().is_success() => return Ok(answer),
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    let said = text(answer).unwrap_or_default();
                    let code = between(&said, "<Code>", "</Code>").unwrap_or("no reason given");
                    trouble = format!("{}{path}: {method} is answered by {status}: {code}", self.endpoint);
                    if status < 500 && status != 429 {
                        break;
                    }
                }
                Err(error) => trouble = format!("{}{path}: {error}", self.endpoint),
            }
        }
        Err(trouble)
    }

    fn send_once(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        let path = encoded(path, true);
        let mut pairs: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", encoded(value, false))).collect();
        pairs.sort();
        let query = pairs.join("&");
        let stamp = stamp(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs()));
        let digest = hex(&Sha256::digest(body));
        let mut headers = vec![
            ("host", self.host.as_str()),
            ("x-amz-content-sha256", digest.as_str()),
            ("x-amz-date", stamp.as_str()),
        ];
        headers.extend(self.session.as_deref().map(|token| ("x-amz-security-token", token)));
        let signed = Signed { method, path: &path, query: &query, headers: &headers, digest: &digest };
        let authorization = signed.authorization(&self.key_id, &self.secret, &self.region, &stamp);
        let question = if query.is_empty() { "" } else { "?" };
        let mut request =
            Request::builder().method(method).uri(format!("{}{path}{question}{query}", self.endpoint));
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let request = request.header("authorization", authorization);
        match method {
            "PUT" | "POST" => self.agent.run(request.body(body)?),
            _ => self.agent.run(request.body(())?),
        }
    }
}

/// Trusts the certificates of this file alone.
#[cfg(feature = "tls")]
fn trusting(path: &str) -> Result<TlsConfig, Failure> {
    let trouble = |text: &dyn std::fmt::Display| format!("AWS_CA_BUNDLE: {path}: {text}");
    let pem = std::fs::read(path).map_err(|error| trouble(&error))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| trouble(&error))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(trouble(&"there is no certificate in it"));
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(certificates))).build())
}

/// A file on its way up.
pub struct Upload<'a> {
    store: &'a S3,
    path: String,
    part: Vec<u8>,
    /// The upload's id, once there is more than one part.
    id: Option<String>,
    etags: Vec<String>,
}

impl<'a> Upload<'a> {
    /// A file that is to be written.
    pub fn new(store: &'a S3, name: &str) -> Upload<'a> {
        let path = format!("{}{name}", store.base);
        Upload { store, path, part: Vec::new(), id: None, etags: Vec::new() }
    }

    /// Appends bytes.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let count = bytes.len().min(PART_BYTES - self.part.len());
            self.part.extend_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            if self.part.len() == PART_BYTES {
                self.send_part()?;
            }
        }
        Ok(())
    }

    fn send_part(&mut self) -> Result<(), Failure> {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => {
                let said = text(self.store.send("POST", &self.path, &[("uploads", "")], &[])?)?;
                let id = between(&said, "<UploadId>", "</UploadId>");
                let id = id.ok_or_else(|| format!("{}: the store gives no id for an upload", self.path))?;
                self.id = Some(id.to_string());
                id.to_string()
            }
        };
        let number = (self.etags.len() + 1).to_string();
        let query = [("partNumber", number.as_str()), ("uploadId", id.as_str())];
        let answer = self.store.send("PUT", &self.path, &query, &self.part)?;
        let etag = answer.headers().get("etag").and_then(|value| value.to_str().ok());
        self.etags.push(etag.ok_or_else(|| format!("{}: a part has no ETag", self.path))?.to_string());
        self.part.clear();
        Ok(())
    }

    /// Makes it visible.
    pub fn finish(mut self) -> Result<(), Failure> {
        if self.id.is_none() {
            return self.store.send("PUT", &self.path, &[], &self.part).map(drop);
        }
        if !self.part.is_empty() {
            self.send_part()?;
        }
        let mut list = String::from("<CompleteMultipartUpload>");
        for (index, etag) in self.etags.iter().enumerate() {
            // Writing to a string does not fail.
            let number = index + 1;
            let _ = write!(list, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        list.push_str("</CompleteMultipartUpload>");
        let id = self.id.take().unwrap_or_default();
        let said = text(self.store.send("POST", &self.path, &[("uploadId", &id)], list.as_bytes())?)?;
        // A store may answer 200 before it knows, and say in the text that it has failed.
        match between(&said, "<Code>", "</Code>") {
            Some(code) => Err(format!("{}: the upload ends with {code}", self.path)),
            None => Ok(()),
        }
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            // What can not be taken back lies there unseen until the store's own rules remove it.
            let _ = self.store.send("DELETE", &self.path, &[("uploadId", &id)], &[]);
        }
    }
}

/// What a signature covers.
struct Signed<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    /// In the order of their names, which are in lower case.
    headers: &'a [(&'a str, &'a str)],
    digest: &'a str,
}

impl Signed<'_> {
    /// The header `authorization` (AWS: "Signature Calculations for the Authorization Header").
    fn authorization(&self, key_id: &str, secret: &str, region: &str, stamp: &str) -> String {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let Signed { method, path, query, digest, .. } = self;
        let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{digest}");
        let day = &stamp[..8];
        let scope = format!("{day}/{region}/s3/aws4_request");
        let text =
            format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
        let mut key = format!("AWS4{secret}").into_bytes();
        for word in [day, region, "s3", "aws4_request"] {
            key = hmac(&key, word.as_bytes());
        }
        let signature = hex(&hmac(&key, text.as_bytes()));
        format!("AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}")
    }
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; BLOCK_BYTES];
    match key.len() {
        0..=BLOCK_BYTES => block[..key.len()].copy_from_slice(key),
        _ => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Percent signs for all but letters, digits and `-._~`, and `/` in paths.
fn encoded(text: &str, is_path: bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            b'/' if is_path => out.push('/'),
            // Writing to a string does not fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
        out
    })
}

/// Seconds since 1970 as `20130524T000000Z` (days to a date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn stamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

fn text(answer: Answer) -> Result<String, Failure> {
    answer.into_body().read_to_string().map_err(|error| format!("the store's answer breaks off: {error}"))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let from = text.find(start)? + start.len();
    Some(&text[from..from + text[from..].find(end)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(stamp(0), "19700101T000000Z");
        assert_eq!(stamp(1_369_353_600), "20130524T000000Z");
        assert_eq!(stamp(1_709_210_096), "20240229T123456Z");
    }

    #[test]
    fn the_signature_is_that_of_the_documentation() {
        // AWS, "Authenticating Requests: Using the Authorization Header", the example of GET Bucket (List Objects).
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let headers = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-content-sha256", digest),
            ("x-amz-date", "20130524T000000Z"),
        ];
        let signed =
            Signed { method: "GET", path: "/", query: "max-keys=2&prefix=J", headers: &headers, digest };
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let header = signed.authorization("AKIAIOSFODNN7EXAMPLE", secret, "us-east-1", "20130524T000000Z");
        let signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
        assert!(header.ends_with(signature), "{header}");
    }

    #[test]
    fn names_are_encoded() {
        assert_eq!(encoded("/a b/ü+", true), "/a%20b/%C3%BC%2B");
        assert_eq!(encoded("a/b", false), "a%2Fb");
    }
}
