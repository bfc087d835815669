--- The BAR table that comes with gpupt, in the format that a user's own file has as well (see gpupt.bar.load).
-- Columns, parted by "|":
--   vendor:device   four hexadecimal digits each
--   name
--   variant         empty, or what tells this form of the card from the others with the same id; the first row of an
--                   id is the one that is assumed when nothing was measured: the largest, because a window too large
--                   costs address space only, while one too small stops the VM
--   BARs            index:kind:size, kind io, mem32 or mem64 (mem64 is taken as prefetchable); "-" = not known
--   mark            S from a public source, I inferred from sourced data, T agrees with NVIDIA's table of windows,
--                   M from memory, not verified; L learned: measured on your own hosts (gpupt bar --learn)
--   source
-- A row is a fallback: BARs measured on the machine (vmware.log, sysfs, lspci) always win.
return [[
10de:1024 | Tesla K40c | | 0:mem32:16M 1:mem64:256M 3:mem64:32M | S | public lspci output
10de:1023 | Tesla K40m | | 0:mem32:16M 1:mem64:16G 3:mem64:32M | M | -
10de:102d | Tesla K80 (one of two GPUs) | | 0:mem32:16M 1:mem64:16G 3:mem64:32M | S | public lspci output
10de:13f2 | Tesla M60 | | 0:mem32:16M 1:mem64:256M 3:mem64:32M | M | -
10de:1bb3 | Tesla P4 | | 0:mem32:16M 1:mem64:256M 3:mem64:32M | M | -
10de:1b38 | Tesla P40 | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | vmware.log of ESXi 8.0.2
10de:15f8 | Tesla P100 PCIe 16GB | | 0:mem32:16M 1:mem64:16G 3:mem64:32M | S | Kata Containers GPU guide
10de:15f7 | Tesla P100 PCIe 12GB | | 0:mem32:16M 1:mem64:16G 3:mem64:32M | S | Kata Containers GPU guide
10de:1db1 | Tesla V100 SXM2 16GB | | 0:mem32:16M 1:mem64:16G 3:mem64:32M | M | VMware: "16 GB+"
10de:1db4 | Tesla V100 PCIe 16GB | | 0:mem32:16M 1:mem64:16G 3:mem64:32M | M | VMware: "16 GB+"
10de:1db5 | Tesla V100 SXM2 32GB | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | VMware blog, 2018
10de:1db6 | Tesla V100 PCIe 32GB | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | VMware blog, 2018
10de:1df6 | Tesla V100S PCIe 32GB | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | VMware blog, 2018
10de:1eb8 | Tesla T4 | | 0:mem32:16M 1:mem64:256M 3:mem64:32M | S | cloud-hypervisor #434
10de:1e30 | Quadro RTX 8000/6000 | passive board | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:1e30 | Quadro RTX 8000/6000 | workstation board | 0:mem32:16M 1:mem64:256M 3:mem64:32M | S | public lspci output
10de:1e78 | RTX 8000/6000 passive | passive board | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:1e78 | RTX 8000/6000 passive | as shipped | 0:mem32:16M 1:mem64:256M 3:mem64:32M | S | public lspci output
10de:20b0 | A100 SXM4 40GB | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | S | public lspci output
10de:20f1 | A100 PCIe 40GB | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | S | public lspci output
10de:20b2 | A100 SXM4 80GB | | 0:mem32:16M 1:mem64:128G 3:mem64:32M | S | vmware.log: 33566722 pages
10de:20b5 | A100 PCIe 80GB | | 0:mem32:16M 1:mem64:128G 3:mem64:32M | S | vmware.log: 33566722 pages
10de:20f3 | A800 SXM4 80GB | | 0:mem32:16M 1:mem64:128G 3:mem64:32M | M | -
10de:20f5 | A800 PCIe 80GB | | 0:mem32:16M 1:mem64:128G 3:mem64:32M | M | -
10de:20b7 | A30 | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | harvester#5619
10de:2236 | A10 | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:2237 | A10G | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | M | -
10de:25b6 | A2 / A16 (one of four GPUs) | | 0:mem32:16M 1:mem64:16G 3:mem64:32M | M | -
10de:2235 | A40 | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:2230 | RTX A6000 | | 0:mem32:16M 1:mem64:64G 3:mem64:32M 5:io:128 | S | ZaidQureshi/bam#32
10de:2231 | RTX A5000 | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table; id from memory
10de:2233 | RTX A5500 | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table; id from memory
10de:2204 | GeForce RTX 3090 | Resizable BAR off | 0:mem32:16M 1:mem64:256M 3:mem64:32M | S | public lspci: the default
10de:2204 | GeForce RTX 3090 | Resizable BAR on | 0:mem32:16M 1:mem64:32G 3:mem64:32M | M | as the 3090 Ti
10de:2203 | GeForce RTX 3090 Ti | Resizable BAR on | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | public lspci output
10de:2203 | GeForce RTX 3090 Ti | Resizable BAR off | 0:mem32:16M 1:mem64:256M 3:mem64:32M | S | public lspci output
10de:2684 | GeForce RTX 4090 | Resizable BAR on | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | public lspci output
10de:2684 | GeForce RTX 4090 | Resizable BAR off | 0:mem32:16M 1:mem64:256M 3:mem64:32M | S | public lspci output
10de:26b5 | L40 | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | T | NVIDIA AI Enterprise table; as the L40S
10de:26b9 | L40S | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | S | public lspci output
10de:26ba | L20 | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:26b7 | L20 (other id seen) | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:27b8 | L4 | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | vmware.log: 33587200 KB
10de:27b6 | L2 | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:26b1 | RTX 6000 Ada | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | S | public lspci output
10de:26b2 | RTX 5000 Ada | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:2330 | H100 SXM5 80GB | | 0:mem64:16M 2:mem64:128G 4:mem64:32M | S | fastfetch #1658
10de:2331 | H100 PCIe | | 0:mem64:16M 2:mem64:128G 4:mem64:32M | S | fastfetch #1658
10de:2339 | H100 SXM5 94GB | | 0:mem64:16M 2:mem64:128G 4:mem64:32M | S | fastfetch #1658
10de:2321 | H100 NVL | | 0:mem64:16M 2:mem64:128G 4:mem64:32M | S | fastfetch #1658
10de:2329 | H20 96GB | | 0:mem64:16M 2:mem64:128G 4:mem64:32M | S | nvtrust #128
10de:232c | H20 141GB | | 0:mem64:16M 2:mem64:256G 4:mem64:32M | T | NVIDIA AI Enterprise table
10de:2335 | H200 SXM | | 0:mem64:16M 2:mem64:256G 4:mem64:32M | S | public lspci output
10de:233b | H200 NVL | | 0:mem64:16M 2:mem64:256G 4:mem64:32M | T | NVIDIA AI Enterprise table
10de:2342 | GH200 120GB | | - | S | id only
10de:2348 | GH200 144GB | | - | S | id only
10de:2901 | B200 | | 0:mem64:64M 2:mem64:256G 4:mem64:32M | S | ubicloud
10de:2941 | GB200 | | - | S | id only
10de:2f04 | GeForce RTX 5070 | | 0:mem32:64M 1:mem64:16G 3:mem64:32M 5:io:128 | S | Qubes OS #10036
10de:2b85 | GeForce RTX 5090 | | 0:mem32:64M 1:mem64:32G 3:mem64:32M | M | -
10de:2bb5 | RTX PRO 6000 Blackwell Server Edition | | 0:mem64:64M 2:mem64:128G 4:mem64:32M | S | captured lspci
10de:2bb4 | RTX PRO 6000 Blackwell Max-Q | | 0:mem32:64M 1:mem64:128G 3:mem64:32M | I | the GeForce layout
10de:2bb1 | RTX PRO 6000 Blackwell Workstation | | 0:mem32:64M 1:mem64:128G 3:mem64:32M | I | BAR1 S: public lspci
10de:3182 | B300 SXM6 | | 0:mem64:64M 2:mem64:512G 4:mem64:32M | S | captured lspci
10de:22a3 | NVSwitch (Hopper) | | 0:mem64:32M | S | captured lspci
1002:6860 | AMD Instinct MI25 | | 0:mem64:16G 2:mem64:2M 5:mem32:512K | M | -
1002:66a1 | AMD Instinct MI50 | 32 GB | 0:mem64:32G 2:mem64:2M 5:mem32:512K | M | -
1002:66a1 | AMD Instinct MI50 | 16 GB | 0:mem64:16G 2:mem64:2M 5:mem32:512K | M | -
1002:66a0 | AMD Instinct MI60 | 32 GB | 0:mem64:32G 2:mem64:2M 5:mem32:512K | M | -
1002:66a0 | AMD Instinct MI60 | 16 GB | 0:mem64:16G 2:mem64:2M 5:mem32:512K | M | -
1002:738c | AMD Instinct MI100 | | 0:mem64:32G 2:mem64:2M 5:mem32:512K | M | -
1002:740f | AMD Instinct MI210 | | 0:mem64:64G 2:mem64:2M 5:mem32:512K | S | AMD MI210 guide: window of 2 x VRAM
1002:7408 | AMD Instinct MI250X | | 0:mem64:64G 2:mem64:2M 5:mem32:512K | M | -
1002:740c | AMD Instinct MI250X/MI250 | | 0:mem64:64G 2:mem64:2M 5:mem32:512K | M | -
1002:74a1 | AMD Instinct MI300X | | 0:mem64:256G 2:mem64:2M 5:mem32:2M | S | ROCm#4454
1002:74a2 | AMD Instinct MI308X | | 0:mem64:256G 2:mem64:2M 5:mem32:512K | M | -
1002:74a5 | AMD Instinct MI325X | | 0:mem64:256G 2:mem64:2M 5:mem32:512K | M | -
1002:74a0 | AMD Instinct MI300A | | 0:mem64:256G 2:mem64:2M 5:mem32:512K | M | -
1002:74b5 | AMD Instinct MI300X VF | | 0:mem64:256G 2:mem64:2M 5:mem32:512K | M | -
1002:74b9 | AMD Instinct MI325X VF | | 0:mem64:256G 2:mem64:2M 5:mem32:512K | M | -
8086:e211 | Intel Arc Pro B60 | | 0:mem64:16M 2:mem64:32G | S | intel/compute-runtime#880
1002:7550 | AMD Radeon RX 9070 | | 0:mem64:16G 2:mem64:256M 5:mem32:512K | S | public lspci output
10de:20b1 | A100 PCIe 40GB | | - | S | pci.ids
10de:20b3 | A100 SXM 64GB | | - | S | pci.ids
10de:20b8 | A100X | | - | S | pci.ids
10de:20bd | A800 SXM4 40GB | | - | M | -
10de:20f6 | A800 PCIe 40GB | | - | S | pci.ids
10de:2313 | H100 CNX | | - | S | pci.ids
10de:2322 | H800 PCIe | | - | S | NVIDIA open-gpu-kernel-modules README
10de:2324 | H800 | | - | S | NVIDIA open-gpu-kernel-modules README
10de:2328 | NVIDIA 2328 | | - | M | name not sourced
10de:230c | NVIDIA 230c | | - | M | name not sourced
10de:230e | H20 NVL16 | | - | S | NVIDIA open-gpu-kernel-modules README
10de:233a | H800 NVL | | - | S | NVIDIA open-gpu-kernel-modules README
10de:26b8 | L40G | | - | S | pci.ids
10de:26f5 | L40 CNX | | - | S | pci.ids
10de:2909 | B200 (other id seen) | | - | S | NVIDIA open-gpu-kernel-modules README
10de:2920 | NVIDIA 2920 | | - | M | name not sourced
10de:29bc | NVIDIA 29bc | | - | M | name not sourced
10de:31a1 | NVIDIA 31a1 | | - | M | name not sourced
10de:31c2 | GB300 | | - | S | NVIDIA open-gpu-kernel-modules README
10de:31c3 | GB300 | | - | S | NVIDIA open-gpu-kernel-modules README
10de:2bb2 | NVIDIA 2bb2 | | - | M | name not sourced
10de:2bb3 | RTX PRO 5000 Blackwell | | - | S | NVIDIA open-gpu-kernel-modules README
10de:2bbc | NVIDIA 2bbc | | - | M | name not sourced
10de:2c31 | RTX PRO 4500 Blackwell | | - | S | NVIDIA open-gpu-kernel-modules README
10de:2c33 | RTX PRO 4000 Blackwell SFF Edition | | - | S | NVIDIA open-gpu-kernel-modules README
10de:2c34 | RTX PRO 4000 Blackwell | | - | S | NVIDIA open-gpu-kernel-modules README
10de:2c3a | RTX PRO 4500 Blackwell Server Edition | | - | S | NVIDIA open-gpu-kernel-modules README
10de:2c02 | GeForce RTX 5080 | | - | S | NVIDIA open-gpu-kernel-modules README
10de:0ff2 | GRID K1 (one of four GPUs) | | - | S | pci.ids
10de:11bf | GRID K2 (one of two GPUs) | | - | S | pci.ids
10de:13bd | Tesla M10 (one of four GPUs) | | - | S | pci.ids
10de:1b06 | GeForce GTX 1080 Ti | | - | S | pci.ids
10de:1b80 | GeForce GTX 1080 | | - | S | pci.ids
10de:1cb2 | Quadro P600 | | - | S | pci.ids
10de:1e04 | GeForce RTX 2080 Ti | | - | S | pci.ids
10de:1e07 | GeForce RTX 2080 Ti | | - | S | pci.ids
10de:2206 | GeForce RTX 3080 | | - | S | pci.ids
10de:2208 | GeForce RTX 3080 Ti | | - | S | pci.ids
10de:2484 | GeForce RTX 3070 | | - | S | NVIDIA open-gpu-kernel-modules README
10de:2504 | GeForce RTX 3060 | | - | S | NVIDIA open-gpu-kernel-modules README
10de:2704 | GeForce RTX 4080 | | - | S | NVIDIA open-gpu-kernel-modules README
10de:2786 | GeForce RTX 4070 | | - | S | NVIDIA open-gpu-kernel-modules README
10de:1af1 | NVSwitch (A100) | | - | S | public lspci output
1002:75a0 | AMD Instinct MI350X | | - | S | amdgpu, public ids
1002:75a3 | AMD Instinct MI355X | | - | S | amdgpu, public ids
1002:75a8 | AMD Instinct MI350P | | - | S | amdgpu, public ids
1002:7551 | AMD 7551 | | - | M | name not sourced
1002:7460 | AMD 7460 | | - | M | name not sourced
1002:7461 | AMD 7461 | | - | M | name not sourced
1002:6798 | AMD Tahiti XT | | - | S | pci.ids
8086:56c0 | Intel Data Center GPU Flex 170 | | - | S | pci.ids
8086:56c1 | Intel Data Center GPU Flex 140 | | - | S | pci.ids
8086:0bd5 | Intel Data Center GPU Max 1550 | | - | S | pci.ids
8086:0bd6 | Intel Data Center GPU Max 1550 | | - | S | pci.ids
8086:0bd7 | Intel Data Center GPU Max 1350 | | - | S | pci.ids
8086:0bda | Intel Data Center GPU Max 1100 | | - | S | pci.ids
8086:e212 | Intel e212 | | - | M | name not sourced
8086:e222 | Intel e222 | | - | M | name not sourced
8086:e223 | Intel e223 | | - | M | name not sourced
1da3:1020 | Habana Gaudi2 | | - | S | pci.ids
1da3:1060 | Habana Gaudi3 | | - | S | public ids
1da3:1063 | Habana Gaudi3 | | - | S | public ids
]]
