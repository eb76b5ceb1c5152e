//! `croissant.json`: the manifest described in Croissant 1.1 with the responsible-AI fields of the RAI vocabulary.
//!
//! It describes labels, ids and paths. Media are neither contained nor referred to by address: they belong to the
//! corpora, whose terms hold for them.

use serde_json::{Value, json};

use super::card::CardDetails;
use super::files::{Manifest, PARQUET_FILE};

/// The media type under which readers of Croissant look for Parquet; the registered name is not known to them.
const PARQUET_TYPE: &str = "application/x-parquet";

/// What a user of the benchmark cites.
const CITATION: &str = "Sun et al., EmoMM: Benchmarking and Steering MLLM for Multimodal Emotion Recognition under \
                        Conflict and Missingness; and the corpora from which it was built";

/// Every column of `manifest.parquet` with what it holds, in the order of the file.
pub const COLUMNS: [(&str, &str); 29] = [
    ("id", "stable id: corpus/video/clip, with /TA, /TV or /AV for a masked copy"),
    ("source_id", "the full clip of which the row is a masked copy; null for full clips"),
    ("corpus", "name of the corpus, and of the root that paths are relative to"),
    ("video_id", "the video that the clip was cut from"),
    ("clip_id", "the clip within the video"),
    ("coalition", "modalities that may be shown: TAV, TA, TV or AV"),
    ("subset", "align, conflict, missing-align or missing-conflict; null where unimodal labels are unknown"),
    ("agreement", "equal or same-polarity for full clips in align; else null"),
    ("split", "train, valid or test, disjoint by group"),
    ("group", "speaker or video group; the cluster of the bootstrap"),
    ("language", "language tag of the transcript"),
    ("official_split", "the corpus's own split, which is not disjoint by video"),
    ("text", "transcript; null where T is masked"),
    ("video_path", "file with the picture, relative to the root; null where V is masked"),
    ("audio_path", "file with the sound, relative to the root; null where A is masked"),
    ("video_sha256", "SHA-256 of the file with the picture"),
    ("audio_sha256", "SHA-256 of the file with the sound"),
    ("score_ground_truth", "multimodal score on the 0.2 grid of [-1, 1]"),
    ("class_ground_truth", "multimodal class, negative to positive"),
    (
        "polarity_ground_truth",
        "sign of the multimodal class, neutral being a polarity of its own; of the raw score if manifest.json says so",
    ),
    ("score_text", "score of the transcript alone"),
    ("class_text", "class of the transcript alone"),
    ("polarity_text", "polarity of the transcript alone"),
    ("score_audio", "score of the voice alone"),
    ("class_audio", "class of the voice alone"),
    ("polarity_audio", "polarity of the voice alone"),
    ("score_video", "score of the picture alone"),
    ("class_video", "class of the picture alone"),
    ("polarity_video", "polarity of the picture alone"),
];

/// The description of a manifest whose rows have the digest `parquet_sha256`.
pub fn croissant(manifest: &Manifest, parquet_sha256: &str, details: &CardDetails) -> Value {
    let fields: Vec<Value> = COLUMNS
        .iter()
        .map(|(name, description)| {
            let data_type = if name.starts_with("score_") { "sc:Float" } else { "sc:Text" };
            croissant_field("samples", PARQUET_FILE, name, description, data_type)
        })
        .collect();
    let header = &manifest.header;
    let languages: std::collections::BTreeSet<&str> =
        manifest.rows.iter().map(|r| r.language.as_str()).collect();
    let names: Vec<&str> = header.corpora.iter().map(|c| c.name.as_str()).collect();
    let mut dataset = json!({
        "@context": croissant_context(),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": details.name,
        "description": format!(
            "Multimodal emotion recognition under modality conflict and missingness: {} clips of {} and their masked copies, {} rows.",
            header.counts.clips,
            names.join(" and "),
            header.counts.rows
        ),
        "license": details.license,
        "url": details.url,
        "version": details.version,
        "citeAs": CITATION,
        "creator": { "@type": "sc:Organization", "name": details.creator },
        "inLanguage": languages,
        "keywords": ["multimodal emotion recognition", "modality conflict", "missing modality"],
        "isLiveDataset": false,
        "distribution": [croissant_parquet(PARQUET_FILE, "One row for each sample.", parquet_sha256)],
        "recordSet": [{
            "@type": "cr:RecordSet",
            "@id": "samples",
            "name": "samples",
            "description": "Full clips, each followed by its masked copies.",
            "key": { "@id": "samples/id" },
            "field": fields,
        }],
        "rai:dataCollection": "Clips of existing corpora, selected as the options in manifest.json say. No new recordings.",
        "rai:dataCollectionRawData": names.join(", "),
        "rai:dataPreprocessingProtocol": "Scores off the 0.2 grid snapped to it, ties to even, or dropped, as the options in manifest.json say; five classes by the map of each corpus; subsets by polarity; splits 7:1:2 by group before masking.",
        "rai:dataAnnotationProtocol": "Labels of the corpora. Unimodal labels that a corpus lacks are averages of votes in {-1, 0, 1}, one modality a pass.",
        "rai:dataCollectionMissingData": findings(manifest),
        "rai:dataUseCases": "Evaluation of models under conflicting and missing modalities; research only.",
        "rai:dataLimitations": "Groups are videos where no file of speakers was given, so one person may speak in two splits.",
        "rai:dataBiases": "Two languages; opinion videos and television; emotion as perceived by annotators, not as felt.",
        "rai:personalSensitiveInformation": "Transcripts and paths of clips that show faces and voices. The terms of the corpora forbid redistribution.",
        "rai:dataSocialImpact": "Not for judging persons: recognition of emotion fails most where modalities disagree.",
    });
    if let (Some(date), Some(object)) = (&details.date_published, dataset.as_object_mut()) {
        object.insert("datePublished".to_owned(), json!(date));
    }
    dataset
}

fn findings(manifest: &Manifest) -> String {
    let counts: Vec<String> =
        manifest.header.findings.iter().map(|(kind, n)| format!("{} {n}", kind.name())).collect();
    if counts.is_empty() { "Nothing was noticed in the sources.".to_owned() } else { counts.join(", ") }
}

/// A column of the file `file` as a field of a record set.
pub fn croissant_field(
    record_set: &str,
    file: &str,
    name: &str,
    description: &str,
    data_type: &str,
) -> Value {
    json!({
        "@type": "cr:Field",
        "@id": format!("{record_set}/{name}"),
        "name": name,
        "description": description,
        "dataType": data_type,
        "source": {
            "fileObject": { "@id": file },
            "extract": { "column": name },
        },
    })
}

/// A Parquet file beside the description.
pub fn croissant_parquet(file: &str, description: &str, sha256: &str) -> Value {
    json!({
        "@type": "cr:FileObject",
        "@id": file,
        "name": file,
        "description": description,
        "contentUrl": file,
        "encodingFormat": PARQUET_TYPE,
        "sha256": sha256,
    })
}

/// The context of the specification, with the prefix of the RAI vocabulary.
pub fn croissant_context() -> Value {
    json!({
        "@language": "en",
        "@vocab": "https://schema.org/",
        "arrayShape": "cr:arrayShape",
        "citeAs": "cr:citeAs",
        "column": "cr:column",
        "conformsTo": "dct:conformsTo",
        "containedIn": "cr:containedIn",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "data": { "@id": "cr:data", "@type": "@json" },
        "dataType": { "@id": "cr:dataType", "@type": "@vocab" },
        "dct": "http://purl.org/dc/terms/",
        "description": { "@container": "@language" },
        "equivalentProperty": "cr:equivalentProperty",
        "examples": { "@id": "cr:examples", "@type": "@json" },
        "extract": "cr:extract",
        "field": "cr:field",
        "fileProperty": "cr:fileProperty",
        "fileObject": "cr:fileObject",
        "fileSet": "cr:fileSet",
        "format": "cr:format",
        "includes": "cr:includes",
        "isArray": "cr:isArray",
        "isLiveDataset": "cr:isLiveDataset",
        "jsonPath": "cr:jsonPath",
        "key": "cr:key",
        "md5": "cr:md5",
        "name": { "@container": "@language" },
        "parentField": "cr:parentField",
        "path": "cr:path",
        "recordSet": "cr:recordSet",
        "references": "cr:references",
        "regex": "cr:regex",
        "repeated": "cr:repeated",
        "replace": "cr:replace",
        "samplingRate": "cr:samplingRate",
        "sc": "https://schema.org/",
        "separator": "cr:separator",
        "source": "cr:source",
        "subField": "cr:subField",
        "transform": "cr:transform",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::columns::columns_of;

    #[test]
    fn every_column_is_described() {
        let written: Vec<&str> = columns_of(&[]).iter().map(|(name, _)| *name).collect();
        let described: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        assert_eq!(described, written);
    }
}
