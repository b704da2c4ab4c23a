# One job times all variants on all backends, interleaved; it takes every core, so that nothing runs beside it.


rule time_variants:
    input:
        expand(f"{RESULTS}/variants/{{variant}}.json", variant=VARIANTS),
    output:
        LATENCY,
    log:
        f"{RESULTS}/logs/latency.log",
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        gpu=GPUS,
        exclusive=1,
    params:
        code=fingerprint(
            "benchmarks.latency.measure_latency",
            *(kind.__module__ for kind in backend_kinds().values()),
        ),
        variants=lambda wildcards, input: repeated("variant", input),
        workload=lambda wildcards: shlex.quote(RUN.latency.model_dump_json()),
        runtime=RUNTIME,
        seed=RUN.seed,
        folder=lambda wildcards, output: str(Path(output[0]).parents[2]),
    shell:
        "python -m benchmarks latency {params.variants} --workload {params.workload} {params.runtime} "
        "--threads {threads} --seed {params.seed} --out {params.folder:q} 2>&1 | tee {log:q}"
