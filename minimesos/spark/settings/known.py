"""Spark's settings that mean nothing here, so that nobody is warned of them.

They concern the JVM, other cluster managers, other parts of Spark, or what works without them; or
their time has not come. Whatever `settings` declares is not among them.

Source: Spark's "Configuration" page, and those of its parts.
"""

from __future__ import annotations

_PREFIXES = (
    # Parts of Spark that are not here.
    "spark.hive.", "spark.ml.", "spark.r.", "spark.sql.", "spark.streaming.", "spark.connect.",
    "spark.graphx.",
    # Other cluster managers, and cluster mode.
    "spark.deploy.", "spark.kubernetes.", "spark.mesos.dispatcher.", "spark.mesos.driver.",
    "spark.mesos.driverEnv.", "spark.standalone.", "spark.worker.", "spark.yarn.",
    # The JVM, Hadoop and their libraries.
    "spark.hadoop.", "spark.hadoopRDD.", "spark.jars.", "spark.kerberos.", "spark.kryo.",
    "spark.kryoserializer.", "spark.metrics.", "spark.security.", "spark.ssl.",
    # Resources other than cores and memory.
    "spark.driver.resource.", "spark.executor.resource.", "spark.task.resource.",
    # What runs beside an application, or watches it.
    "spark.cleaner.", "spark.decommission.", "spark.eventLog.", "spark.history.",
    "spark.ui.reverseProxy", "spark.ui.timeline", "spark.executor.logs.rolling.",
    "spark.storage.decommission.", "spark.io.encryption.", "spark.network.crypto.",
    # Exclusion and speculation.
    "spark.blacklist.", "spark.excludeOnFailure.", "spark.scheduler.excludeOnFailure.",
    "spark.speculation.",
    # An executor's environment, variable by variable, and file systems, option by option.
    "spark.executorEnv.", "spark.minimesos.fs.",
)  # fmt: skip

_NAMES = """
acls.enable admin.acls admin.acls.groups modify.acls modify.acls.groups ui.view.acls
ui.view.acls.groups user.groups.mapping

app.attempt.id app.id app.initial.jar.urls app.startTime app.submitTime extraListeners jars
log.callerContext log.structuredLogging.enabled logConf logLineage plugins plugins.defaultList
repl.class.uri repl.local.jars

job.description job.interruptOnCancel jobGroup.id scheduler.pool

authenticate.enableSaslEncryption buffer.pageSize buffer.size
closure.serializer network.sasl.serverAlwaysEncrypt

driver.allowMultipleContexts driver.appUIAddress driver.appUIHistoryAddress
driver.defaultExtraClassPath driver.defaultJavaOptions
driver.extraClassPath driver.extraJavaOptions driver.extraLibraryPath driver.libraryPath
driver.log.allowErasureCoding driver.log.dfsDir driver.log.layout driver.log.persistToDfs.enabled
driver.memoryOverhead driver.memoryOverheadFactor driver.minMemoryOverhead driver.supervise
driver.timeout driver.userClassPathFirst

executor.allowSyncLogLevel executor.defaultExtraClassPath executor.defaultJavaOptions
executor.extraClassPath executor.extraJavaOptions executor.extraLibraryPath
executor.failuresValidityInterval executor.heartbeat.dropZeroAccumulatorUpdates
executor.heartbeat.maxFailures executor.id executor.killOnFatalError.depth executor.maxNumFailures
executor.memoryOverhead executor.memoryOverheadFactor executor.metrics.fileSystemSchemes
executor.metrics.pollingInterval executor.minMemoryOverhead executor.port
executor.processTreeMetrics.enabled executor.syncLogLevel.enabled
executor.userClassPathFirst

files.ignoreCorruptFiles files.ignoreMissingFiles files.io.connectionTimeout files.useFetchCache
fileserver.port

io.compression.lz4.blockSize io.compression.lzf.parallel.enabled io.compression.snappy.blockSize
io.compression.zstd.bufferPool.enabled io.compression.zstd.bufferSize io.compression.zstd.level
io.compression.zstd.workers

locality.wait.legacyResetOnTaskLaunch locality.wait.rack memory.offHeap.enabled
memory.offHeap.size memory.storageFraction memory.useLegacyMode shuffle.memoryFraction
storage.memoryFraction storage.unrollFraction

mesos.appJar.local.resolution.mode mesos.cluster.retry.wait.max mesos.maxDrivers
mesos.proxy.baseURL mesos.retainedDrivers

network.io.preferDirectBufs network.maxRemoteBlockSizeFetchToMem network.timeoutInterval
rpc.askTimeout rpc.io.connectionTimeout rpc.lookupTimeout rpc.numRetries rpc.retry.wait

python.authenticate.socketTimeout python.daemon.module python.profile.memory
 python.sql.dataFrameDebugging.enabled
python.worker.faulthandler.enabled python.worker.module

rdd.limit.initialNumPartitions rdd.limit.scaleUpFactor rdd.parallelListingThreshold
reducer.maxBlocksInFlightPerAddress reducer.maxReqsInFlight resources.discoveryPlugin
resources.warnings.testing

scheduler.listenerbus.eventqueue.capacity
scheduler.listenerbus.logSlowEvent scheduler.numCancelledJobGroupsToTrack
scheduler.resource.profileMergeConflicts scheduler.revive.interval serializer
serializer.objectStreamReset

shuffle.accurateBlockThreshold shuffle.blockTransferService shuffle.checksum.algorithm
shuffle.checksum.enabled shuffle.cleaner.interval shuffle.consolidateFiles shuffle.detectCorrupt
shuffle.detectCorrupt.useExtraMemory shuffle.file.buffer shuffle.io.backLog
shuffle.io.clientThreads shuffle.io.connectionCreationTimeout shuffle.io.connectionTimeout
shuffle.io.numConnectionsPerPeer shuffle.io.preferDirectBufs shuffle.io.serverThreads
shuffle.localDisk.file.output.buffer shuffle.manager shuffle.mapOutput.dispatcher.numThreads
shuffle.mapOutput.minSizeForBroadcast shuffle.mapOutput.parallelAggregationThreshold
shuffle.mapStatus.compression.codec shuffle.maxChunksBeingTransferred
shuffle.minNumPartitionsToHighlyCompress shuffle.push.enabled
shuffle.push.server.mergedShuffleFileManagerImpl
shuffle.service.db.backend shuffle.service.db.enabled shuffle.service.fetch.rdd.enabled
shuffle.service.index.cache.size shuffle.service.name shuffle.sort.bypassMergeThreshold
shuffle.sort.initialBufferSize shuffle.sort.io.plugin.class shuffle.sort.useRadixSort
shuffle.spill shuffle.spill.batchSize shuffle.spill.diskWriteBufferSize
shuffle.spill.initialMemoryThreshold shuffle.spill.numElementsForceSpillThreshold
shuffle.unsafe.fastMergeEnabled shuffle.unsafe.file.output.buffer shuffle.useOldFetchProtocol

stage.ignoreDecommissionFetchFailure stage.maxAttempts storage.cachedPeersTtl
storage.cleanupFilesAfterExecutorExit storage.exceptionOnPinLeak
storage.localDiskByExecutors.cacheSize storage.maxReplicationFailures
storage.memoryMapLimitForTests storage.memoryMapThreshold storage.replication.policy
storage.replication.proactive storage.replication.topologyFile storage.replication.topologyMapper
storage.unrollMemoryThreshold

externalBlockStore.baseDir tachyonStore.baseDir task.reaper.enabled task.reaper.killTimeout
task.reaper.pollingInterval task.reaper.threadDump ttl.cleaner

ui.allowFramingFrom ui.consoleProgress.update.interval ui.custom.executor.log.url
ui.dagGraph.retainedRootRDDs ui.enabled ui.filters ui.heapHistogramEnabled ui.killEnabled
ui.liveUpdate.minFlushPeriod ui.liveUpdate.period ui.port ui.prometheus.enabled
ui.proxyRedirectUri ui.requestHeaderSize ui.retainedDeadExecutors
ui.retainedTasks ui.strictTransportSecurity ui.threadDumpsEnabled
ui.xContentTypeOptions.enabled ui.xXssProtection worker.timeout
"""
"""What follows `spark.`, by the part of Spark that it is about."""


def known_names() -> frozenset[str]:
    """Return the settings that are known by their whole names."""
    return frozenset(f"spark.{name}" for name in _NAMES.split())


def has_known_prefix(name: str) -> bool:
    """Say whether a setting belongs to a part of Spark of which nothing is here."""
    return name.startswith(_PREFIXES)
