# similarity and search -> plan. A variant is its manifest: the plan and the model it is for.


rule similarity:
    input:
        model=f"{MODEL}/manifest.json",
        texts=texts(RUN.calibration),
    output:
        f"{RESULTS}/similarity.json",
    log:
        f"{RESULTS}/logs/similarity.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPUS,
    params:
        code=fingerprint("benchmarks.search.calibration"),
        texts=lambda wildcards, input: repeated("text", input.texts),
        calibration=f"--documents {RUN.calibration.documents} --window {RUN.calibration.window}",
        runtime=CALIBRATION,
    shell:
        "python -m benchmarks similarity --model {input.model:q} {params.texts} "
        "{params.calibration} {params.runtime} --threads {threads} --out {output:q} 2>&1 | tee {log:q}"


rule search:
    input:
        unpack(lambda wildcards: probe_file(OPTIONS[SEARCHES[wildcards.search]])),
        model=f"{MODEL}/manifest.json",
        texts=texts(RUN.calibration),
    output:
        f"{RESULTS}/search/{{search}}.json",
    log:
        f"{RESULTS}/logs/search/{{search}}.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPUS,
    params:
        code=lambda wildcards: fingerprint(
            "benchmarks.search.calibration",
            type(VARIANTS[SEARCHES[wildcards.search]]).__module__,
            *budget_modules(OPTIONS[SEARCHES[wildcards.search]]),
        ),
        options=lambda wildcards: shlex.quote(
            json.dumps(OPTIONS[SEARCHES[wildcards.search]])
        ),
        texts=lambda wildcards, input: repeated("text", input.texts),
        settings=f"--grid {RUN.search.grid} --documents {RUN.search.documents} "
        f"--window {RUN.search.window} --score {RUN.search.score}",
        runtime=CALIBRATION,
    shell:
        "python -m benchmarks search --options {params.options} --model {input.model:q} "
        "{params.texts} {params.settings} {params.runtime} --threads {threads} --out {output:q} "
        "2>&1 | tee {log:q}"


rule variant:
    input:
        unpack(evidence),
        unpack(last_healing),
        model=f"{MODEL}/manifest.json",
    output:
        f"{RESULTS}/{{state}}/{{variant}}.json",
    log:
        f"{RESULTS}/logs/{{state}}/{{variant}}.log",
    wildcard_constraints:
        state="variants|unhealed",
    conda:
        "../../environment.yml"
    params:
        # The method's own file counts too: the registry finds it without importing it by name.
        code=lambda wildcards: fingerprint(
            "benchmarks.models.variants",
            type(VARIANTS[wildcards.variant]).__module__,
            *budget_modules(OPTIONS[wildcards.variant]),
        ),
        options=lambda wildcards: shlex.quote(json.dumps(OPTIONS[wildcards.variant])),
        evidence=lambda wildcards, input: " ".join(
            optional(name, input.get(name))
            for name in ("similarity", "search", "healed")
        ),
    shell:
        "python -m benchmarks variant {wildcards.variant:q} --options {params.options} "
        "--model {input.model:q} {params.evidence} --out {output:q} 2>&1 | tee {log:q}"


rule export:
    # A stand-alone Hugging Face checkpoint, made on request only.
    input:
        f"{RESULTS}/variants/{{variant}}.json",
    output:
        directory(f"{RESULTS}/checkpoints/{{variant}}"),
    log:
        f"{RESULTS}/logs/export/{{variant}}.log",
    conda:
        "../../environment.yml"
    params:
        code=fingerprint("cqil.modeling.planned_llama"),
    shell:
        "cqil build {input:q} --out {output:q} 2>&1 | tee {log:q}"
