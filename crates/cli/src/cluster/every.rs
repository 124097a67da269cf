//! Every node: one command for all of them (`call`), and their time-out (`set-timeout`).

use super::group::{Done, Failed, Group};
use super::membership::host;
use super::node::Fault;
use super::words::number;
use wire::value::Value;

/// A shorter time-out would take slow nodes for dead ones.
const TIMEOUT_MIN_MS: i64 = 100;

/// Runs `call host:port command ...`.
pub fn call(group: &mut Group, args: &[String], raw: &[Vec<u8>]) -> Done {
    let (host, port) = host(group, &args[..1])?;
    group.load(&host, port)?;
    let mut words = raw[1..].to_vec();
    if group.is_trib() {
        words[0].make_ascii_uppercase();
    }
    let shown =
        words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>().join(" ");
    group.screen.step_with(">>> Calling", &format!(" {shown}"));
    for at in 0..group.nodes.len() {
        let follows = group.nodes[at].line.primary.is_some();
        if group.settings.only_primaries && follows || group.settings.only_replicas && !follows {
            continue;
        }
        let answer = match group.nodes[at].ask(&words) {
            Ok(value) if group.is_trib() => Ok(inspected(&value, true)),
            Ok(value) => {
                let mut text = Vec::new();
                raw_text(&value, &group.delimiter, &mut text);
                Ok(text)
            }
            Err(Fault::Refused(text)) if group.is_trib() => Ok(text.into_bytes()),
            Err(Fault::Refused(text)) => Ok(format!("{text}\n").into_bytes()),
            Err(Fault::Lost | Fault::Odd) => Err(()),
        };
        let mut line = group.address(at).into_bytes();
        line.extend_from_slice(b": ");
        line.extend(answer.unwrap_or_else(|()| b"Failed!".to_vec()));
        line.push(b'\n');
        group.screen.put(line);
    }
    Ok(())
}

/// A reply as `--raw` prints it, within one line for a flat one.
fn raw_text(value: &Value, delimiter: &[u8], out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Error(text) => {
            out.extend_from_slice(text);
            out.push(b'\n');
        }
        Value::Boolean(truth) => out.extend_from_slice(if *truth { b"(true)" } else { b"(false)" }),
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(_, text) => out.extend_from_slice(text),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(delimiter);
                }
                raw_text(item, delimiter, out);
            }
        }
        Value::Map(pairs) => {
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(delimiter);
                }
                raw_text(key, delimiter, out);
                out.push(b' ');
                raw_text(value, delimiter, out);
            }
        }
        Value::Simple(text) | Value::Bulk(text) | Value::Verbatim(_, text) | Value::BigNumber(text) => {
            out.extend_from_slice(text);
        }
    }
}

/// A reply as redis-trib prints it: text as it is, arrays in Ruby's notation.
fn inspected(value: &Value, is_outermost: bool) -> Vec<u8> {
    match (value, value.items(), value.text()) {
        (Value::Null, ..) if !is_outermost => b"nil".to_vec(),
        (Value::Integer(number), ..) => number.to_string().into_bytes(),
        (_, Some(items), _) => {
            let items: Vec<Vec<u8>> = items.iter().map(|item| inspected(item, false)).collect();
            [b"[".as_slice(), &items.join(b", ".as_slice()), b"]"].concat()
        }
        (_, _, Some(text)) if is_outermost => text.to_vec(),
        (_, _, Some(text)) => format!("{:?}", String::from_utf8_lossy(text)).into_bytes(),
        _ => value.error().unwrap_or_default().to_vec(),
    }
}

/// Runs `set-timeout host:port milliseconds`.
pub fn set_timeout(group: &mut Group, args: &[String]) -> Done {
    let (host, port) = host(group, &args[..1])?;
    let timeout = number(&args[1]);
    if timeout < TIMEOUT_MIN_MS {
        let text =
            format!("Setting a node timeout of less than {TIMEOUT_MIN_MS} milliseconds is a bad idea.");
        group.screen.error(text);
        return Err(Failed);
    }
    group.load(&host, port)?;
    group.screen.step(">>> Reconfiguring node timeout in every cluster node...");
    let (mut good, mut bad) = (0, 0);
    for at in 0..group.nodes.len() {
        let address = group.address(at);
        let timeout = timeout.to_string();
        let set = group.nodes[at].ask(&["CONFIG", "SET", "cluster-node-timeout", &timeout]);
        match set.and_then(|_| group.nodes[at].ask(&["CONFIG", "REWRITE"])) {
            Ok(_) => {
                group.screen.warn(format!("*** New timeout set for {address}"));
                good += 1;
            }
            Err(fault) => {
                let text = if let Fault::Refused(text) = &fault { text } else { "" };
                group.screen.bad(format!("ERR setting node-timeout for {address}: {text}"));
                bad += 1;
            }
        }
    }
    group.screen.step(format!(">>> New node timeout set. {good} OK, {bad} ERR."));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_flat_text() {
        let value = Value::Array(vec![
            Value::Bulk(b"a".to_vec()),
            Value::Null,
            Value::Array(vec![Value::Integer(1), Value::Simple(b"OK".to_vec())]),
        ]);
        let mut text = Vec::new();
        raw_text(&value, b"\n", &mut text);
        assert_eq!(text, b"a\n\n1\nOK");
        assert_eq!(inspected(&value, true), b"[\"a\", nil, [1, \"OK\"]]");
        assert_eq!(inspected(&Value::Bulk(b"a b".to_vec()), true), b"a b");
    }
}
