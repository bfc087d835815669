--- How many VMs one vCenter Server may have registered.
-- Source: the configuration maximums of vSphere 7.0 and 8.0 (configmax.broadcom.com, vCenter Server: registered virtual
-- machines) [M]. It was 15,000 in 6.0 and 35,000 in 6.5 and 6.7.
return { most = 45000, source = "configuration maximums of vSphere 8.0" }
